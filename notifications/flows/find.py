"""Find: whom or what a search term means, exactly; support pastes whatever the customer sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat, JSONObject

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..models import Preference
from ..models.console_queries import Trace, find_traces
from ..rules.identity import ADDRESS_PREFIX, USER_PREFIX, user_key, user_recipient
from .people import address_target
from .recipients import address_recipient
from .requests import PYTHON

_MOST_USERS = 10
_MESSAGE_KINDS = ("notification", "delivery")


@dataclass(frozen=True)
class Somebody:
    """One recipient: with an account, what its row and its preference say; without, only the key."""

    recipient: str
    username: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    wishes: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Found:
    """What a term led to: the best match first, and the message it named, if it named one."""

    people: tuple[Somebody, ...] = ()
    message: UUID | None = None
    broadcast: UUID | None = None


def find(term: str) -> Found:
    """Return what a term means: a user, an address, a token, a recipient key, an id of ours or of the provider's.

    Two statements, however many meanings it may have; every look-up of ours is by an index, and every one of the
    host's users by theirs where they have one.
    """
    term = term.strip().removeprefix("…").replace("\x00", "")
    if not term:
        return Found()
    traces = _traces(term)
    messages = [trace for trace in traces if trace.kind in _MESSAGE_KINDS]
    named = [trace.recipient for trace in messages]
    others = [trace.recipient for trace in traces if trace.kind not in _MESSAGE_KINDS]
    if term.startswith((USER_PREFIX, ADDRESS_PREFIX)):
        named.append(term)
    users = {person.recipient: person for person in _users(term, [*named, *others])}
    order = dict.fromkeys([*named, *users, *others])
    if not any(order) and not messages:
        order = {user_recipient(term)[:80]: None}  # somebody may have asked for a user that does not exist
    return Found(
        people=tuple(users.get(key, Somebody(key)) for key in order if key),
        message=messages[0].id if messages else None,
        broadcast=messages[0].id if messages and not messages[0].recipient else None,
    )


def _traces(term: str) -> list[Trace]:
    if term.startswith((USER_PREFIX, ADDRESS_PREFIX)):
        return []
    targets = [target for channel in SPECS if (target := address_target(channel, term)) is not None]
    return find_traces(
        term[:255],
        _as_uuid(term),
        [target.address_hash for target in targets],
        [address_recipient(target.channel, target.address) for target in targets if target.channel != Channel.PUSH],
        PYTHON,
    )


def _users(term: str, recipients: list[str]) -> list[Somebody]:
    """Return the users with these keys, and those whom the term itself names."""
    model = get_user_model()
    paths = conf.get().recipient
    manager = model._default_manager
    found = []
    lookups: list[tuple[str, object]] = [("pk", key) for key in map(user_key, recipients) if key is not None]
    if not term.startswith((USER_PREFIX, ADDRESS_PREFIX)):
        lookups += [(path, term) for path in dict.fromkeys(("pk", paths.lookup, model.USERNAME_FIELD))]
        lookups += _address_lookups(term)
    for path, value in lookups:
        try:
            found.append(manager.filter(**{path: value}).order_by().values("pk"))
        except (ValueError, TypeError, ValidationError, OverflowError):
            continue
    if not found:
        return []
    # Each look-up uses its own index; joined by "or", one without an index would have all users read, and so does one
    # that leads to another table.
    wanted = found[0].union(*found[1:])
    key = Concat(Value(USER_PREFIX), Cast(OuterRef("pk"), CharField()), output_field=CharField())
    stored = Preference.objects.filter(pk=key).values(
        found=JSONObject(**{name: name for name in ("locale", "time_zone", "quiet_hours", "channels", "categories")})
    )
    names = {"pk", model.USERNAME_FIELD, *paths.fields.values()}
    rows = manager.filter(pk__in=wanted).values(*names, carillon_wishes=Subquery(stored))[:_MOST_USERS]
    return [
        Somebody(
            recipient=user_recipient(row["pk"]),
            username=str(row[model.USERNAME_FIELD]),
            facts={name: str(row[path] or "") for name, path in paths.fields.items()},
            wishes=row["carillon_wishes"],
        )
        for row in rows
    ]


def _address_lookups(term: str) -> list[tuple[str, object]]:
    """Return look-ups by email or phone, only where the term can be one: hosts seldom index these columns."""
    paths = conf.get().recipient.fields
    found: list[tuple[str, object]] = []
    for channel in (Channel.EMAIL, Channel.SMS):
        target = address_target(channel, term) if channel in paths else None
        if target is not None:
            found.append((f"{paths[channel]}__in", [term, target.address]))
    return found


def hashes_of(person: Somebody) -> list[str]:
    """Return the address hashes of what the user's own row says, under which suppressions are kept."""
    return [
        address_hash(channel, target.address)
        for channel in (Channel.EMAIL, Channel.SMS)
        if person.facts.get(channel) and (target := address_target(channel, person.facts[channel])) is not None
    ]


def _as_uuid(term: str) -> UUID | None:
    """Return the UUID in a term; an id of ours may carry its attempt ("<delivery>.3")."""
    try:
        return UUID(term.partition(".")[0])
    except ValueError:
        return None
