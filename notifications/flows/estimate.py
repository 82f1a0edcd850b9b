"""Estimate: how many people a broadcast would mean and roughly what would become of it; nothing is stored."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connections, transaction
from django.db.models import CharField, F, Model, QuerySet, Value
from django.db.models.functions import MD5, Cast, Concat

from .. import conf
from ..enums import Channel, State
from ..models import Broadcast, Category, Delivery
from ..models.console_queries import TooSlow
from ..models.deadlines import is_away
from ..rules.identity import UserKey
from .apart import Parts, split
from .audience_pages import members_among, next_keys
from .audiences import as_stored, excluding, members
from .launch import BroadcastRequest, check_broadcast, notification_of
from .pages import Sending, foresee_rows
from .plan import steps_of
from .templates import find_template

SAMPLE = 1_000
COUNT_SECONDS = 5.0
#: Why those are skipped whom planning would leave out: what is read of them, or their own values, fail.
LEFT_OUT = "left_out"
_CHUNK = 10_000
_SKIPPED = (State.SKIPPED, State.EXPIRED)


@dataclass(frozen=True)
class Forecast:
    """What would become of a broadcast on one channel: deliveries that would be sent, and others by reason."""

    deliveries: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """How many people an audience means, and by channel what a sample of them leads one to expect.

    Where counting took too long, `members` is what PostgreSQL's planner expects, and not `exact`.
    """

    members: int
    exact: bool
    sampled: int = 0
    channels: Mapping[str, Forecast] = field(default_factory=dict)

    def told(self) -> str:
        """Return the number of people for a reader: "1,204" or "about 1,200,000"."""
        return f"{self.members:,}" if self.exact else f"about {self.members:,}"


def estimate(request: BroadcastRequest, *, seconds: float = COUNT_SECONDS) -> Estimate:
    """Return what a broadcast would mean, after at most about twice `seconds`.

    A thousand of its people, picked evenly, meet the rules that planning would ask.

    Raises:
        RequestRejected: it could not be launched as it is.
    """
    template = find_template(request.template)
    check_broadcast(request, template)
    audience = as_stored(request.audience)
    exclude = as_stored(request.exclude, "/exclude") if request.exclude is not None else None
    found, exact = _count(audience, exclude, seconds)
    keys = _sample(audience, exclude, seconds) if found else []
    now = Delivery.objects.database_now()
    notification = notification_of(request, template, now)
    sending = Sending(notification, Category.objects.get(pk=template.category_id), now)
    parts: Parts[Delivery] = Parts(keys, most=len(keys))
    try:
        with _deadline(Delivery.objects.all(), seconds):
            until = time.monotonic() + seconds
            made = Broadcast(audience=audience, exclude=exclude)
            split(made, lambda rows: foresee_rows(sending, rows), parts, until=until)
    except (TooSlow, OperationalError) as error:
        if is_away(error):
            raise
        parts = Parts([])
    first = next(iter(steps_of(notification, sending.category)), [])
    forecast = _extrapolated(parts.written, dict.fromkeys(first, len(parts.left_out)), found, len(parts.keys))
    return Estimate(found, exact, len(parts.keys), forecast)


def count_members(
    audience: Mapping[str, object], exclude: Mapping[str, object] | None = None, *, seconds: float = COUNT_SECONDS
) -> Estimate:
    """Return how many people an audience means, without a template.

    Raises:
        InvalidData: the audience cannot be.
    """
    members(audience)
    if exclude is not None:
        members(exclude, "/exclude")
    kept = as_stored(exclude, "/exclude") if exclude is not None else None
    return Estimate(*_count(as_stored(audience), kept, seconds))


def expected_rows(queryset: QuerySet[Any]) -> int:
    """Return how many rows PostgreSQL's planner expects, rounded."""
    try:
        planned = json.loads(queryset.explain(format="json"))
    except EmptyResultSet:
        return 0
    return rounded(planned[0]["Plan"]["Plan Rows"])


def rounded(number: float) -> int:
    """Return a number with its first two digits, since the others would claim to be known."""
    return int(float(f"{number:.1e}"))


def _extrapolated(
    made: Sequence[Delivery], failed: Mapping[Channel, int], people: int, sampled: int
) -> dict[str, Forecast]:
    sent: Counter[str] = Counter()
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    for channel, count in failed.items():
        if count:
            skipped[str(channel)][LEFT_OUT] = count
    for row in made:
        if row.state in _SKIPPED:
            skipped[row.channel][row.reason] += 1
        else:
            sent[row.channel] += 1

    def scaled(count: int) -> int:
        return count if sampled >= people else rounded(count * people / sampled)

    return {
        channel: Forecast(
            scaled(sent[channel]), {reason: scaled(count) for reason, count in skipped[channel].most_common()}
        )
        for channel in sorted({*sent, *skipped})
    }


def _count(audience: Mapping[str, Any], exclude: Mapping[str, Any] | None, seconds: float) -> tuple[int, bool]:
    """Count people; a list is counted in pieces, since a statement that names 100,000 takes longer than its answer."""
    until = time.monotonic() + seconds
    listed = exclude["users"] if exclude is not None and "users" in exclude else []
    rest = None if listed else exclude
    if "users" in audience:
        others = get_user_model()._default_manager.all()
        values = sorted(set(audience["users"]) - set(listed))
        parts, less = [_keys(excluding(part, rest)) for part in _pieces(others, values)], []
    else:
        queryset = members(audience, stored=True)
        parts, less = [_keys(excluding(queryset, rest))], [_keys(part) for part in _pieces(queryset, listed)]
    try:
        return sum(_count_one(part, until) for part in parts) - sum(_count_one(part, until) for part in less), True
    except OperationalError as error:
        if is_away(error):
            raise
    if "users" in audience:
        return rounded(len(values)), False
    return max(sum(expected_rows(part) for part in parts) - rounded(len(listed)), 0), False


def _pieces(queryset: QuerySet[Any], values: Sequence[str]) -> Iterator[QuerySet[Any]]:
    """Yield those of the users who are named in a list, some of the list at a time."""
    lookup = f"{conf.get().recipient.lookup}__in"
    for start in range(0, len(values), _CHUNK):
        yield queryset.filter(**{lookup: values[start : start + _CHUNK]})


def _keys(queryset: QuerySet[Model]) -> QuerySet[Any]:
    return queryset.order_by().values_list("pk").distinct()


def _count_one(keys: QuerySet[Model], until: float) -> int:
    with _deadline(keys, max(until - time.monotonic(), 0.05)):
        return keys.count()


def _sample(audience: Mapping[str, Any], exclude: Mapping[str, Any] | None, seconds: float) -> list[UserKey]:
    """Return the keys of up to a thousand people picked evenly; where that takes too long, of the first ones."""
    if "users" in audience:
        return _first(audience, exclude)  # lists are in no order of their people's
    listed = exclude is not None and "users" in exclude
    queryset = excluding(members(audience, stored=True), None if listed else exclude)
    mixed = MD5(Concat(Value("carillon"), Cast(F("pk"), CharField()), output_field=CharField()))
    try:
        with _deadline(queryset, seconds):
            keys = list(queryset.order_by(mixed).values_list("pk", flat=True)[:SAMPLE])
            return members_among(audience, exclude, keys) if listed else list(dict.fromkeys(keys))
    except OperationalError as error:
        if is_away(error):
            raise
    try:
        with _deadline(queryset, seconds):
            return _first(audience, exclude)
    except OperationalError as error:
        if is_away(error):
            raise
    return []


def _first(audience: Mapping[str, Any], exclude: Mapping[str, Any] | None) -> list[UserKey]:
    return [row["pk"] for row in next_keys(audience, exclude, "", SAMPLE).rows]


@contextmanager
def _deadline(queryset: QuerySet[Any], seconds: float) -> Iterator[None]:
    """Give statements a deadline; nothing of it, nor of them, is left in the caller's transaction."""
    with transaction.atomic(using=queryset.db):
        with connections[queryset.db].cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{max(int(seconds * 1000), 1)}ms"])
        yield
        # Looked only: rolling back to here takes the deadline along.
        transaction.set_rollback(True, using=queryset.db)
