"""Pages of an audience: each costs what its own people cost, however many there are before, behind and excluded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet

from .. import conf
from ..models import Topic, TopicSubscription
from ..rules.identity import USER_PREFIX, UserKey, user_recipient
from .audiences import earlier_broadcast, members, own_variables, reached_by
from .lookups import following, named_in, place, spelled

Read = Callable[[QuerySet[Model]], list[dict[str, object]]]


@dataclass(frozen=True)
class Page:
    """The next people of an audience, each once; whoever asks for the page after it gives its cursor."""

    rows: list[dict[str, object]]
    cursor: str
    complete: bool


def next_page(
    audience: Mapping[str, Any], exclude: Mapping[str, Any] | None, cursor: str, size: int, *, read: Read | None = None
) -> Page:
    """Return the next page of a stored audience, at most `size` users; fewer or none where some are excluded.

    An audience has an order of its own: users by their key, recipients of a broadcast by their text, a list by place.
    `read` says what is read of the users: all that planning must know, unless it is given.
    """
    read = read or people_rows
    if "users" in audience:
        page = _listed(audience["users"], cursor, size, read)
    elif "topic" in audience:
        page = _subscribed(str(audience["topic"]), cursor, size, read)
    elif "broadcast" in audience:
        page = _reached(audience, cursor, size, read)
    else:
        page = _by_key(members(audience, stored=True), cursor, size, read)
    return Page(without(page.rows, exclude), page.cursor, page.complete)


def next_keys(audience: Mapping[str, Any], exclude: Mapping[str, Any] | None, cursor: str, size: int) -> Page:
    """Return the next page with nothing but keys: what else is to be read of some may be what fails."""
    return next_page(audience, exclude, cursor, size, read=_key_rows)


def members_with(audience: Mapping[str, Any], keys: Sequence[UserKey]) -> list[dict[str, object]]:
    """Return what planning must know of those of these users whom a stored audience means, in order of their keys."""
    if audience.keys() <= {"name", "params"}:
        return each_once(people_rows(members(audience, stored=True).filter(pk__in=keys).order_by("pk")))
    rows = _users("pk", keys, people_rows)
    meant = _members_among(audience, rows)
    return [row for row in rows if row["pk"] in meant]


def members_among(
    audience: Mapping[str, Any], exclude: Mapping[str, Any] | None, keys: Sequence[UserKey]
) -> list[UserKey]:
    """Return which of these users a stored audience means now, in order; nothing else is read of them."""
    rows = _users("pk", keys, _key_rows)
    meant = _members_among(audience, rows)
    return [row["pk"] for row in without([row for row in rows if row["pk"] in meant], exclude)]


def without(rows: list[dict[str, object]], exclude: Mapping[str, Any] | None) -> list[dict[str, object]]:
    """Return the rows of those users whom an exclusion does not mean."""
    if exclude is None or not rows:
        return rows
    excluded = _members_among(exclude, rows)
    return [row for row in rows if row["pk"] not in excluded]


def _by_key(queryset: QuerySet[Model], cursor: str, size: int, read: Read) -> Page:
    # Compared and ordered by the database, in the key's own type and collation.
    rest = queryset.filter(pk__gt=cursor) if cursor else queryset
    rows = read(rest.order_by("pk")[:size])
    return Page(each_once(rows), str(rows[-1]["pk"]) if rows else cursor, len(rows) < size)


def _listed(listed: Sequence[str], cursor: str, size: int, read: Read) -> Page:
    values = following(listed, cursor, size)
    found = _users(conf.get().recipient.lookup, values, read)
    return Page(found, place(values[-1]) if values else cursor, len(values) < size)


def _subscribed(slug: str, cursor: str, size: int, read: Read) -> Page:
    rest = _subscriptions(slug)
    rest = rest.filter(user__gt=cursor) if cursor else rest
    keys = list(rest.order_by("user_id").values_list("user_id", flat=True)[:size])
    return Page(_users("pk", keys, read), str(keys[-1]) if keys else cursor, len(keys) < size)


def _reached(audience: Mapping[str, Any], cursor: str, size: int, read: Read) -> Page:
    rest = reached_by(earlier_broadcast(audience))
    rest = rest.filter(recipient__gt=f"{USER_PREFIX}{cursor}") if cursor else rest
    found = list(rest.order_by("recipient").values_list("recipient", flat=True).distinct()[:size])
    keys = [item.removeprefix(USER_PREFIX) for item in found]
    return Page(_users("pk", keys, read), keys[-1] if keys else cursor, len(keys) < size)


def _users(lookup: str, values: Sequence[object], read: Read) -> list[dict[str, object]]:
    users = get_user_model()._default_manager.filter(**{f"{lookup}__in": values})
    return each_once(read(users.order_by("pk"))) if values else []


def _key_rows(queryset: QuerySet[Model]) -> list[dict[str, object]]:
    # The look-up is asked by an exclusion that is a list.
    lookup = conf.get().recipient.lookup
    return list(queryset.values("pk") if lookup == "pk" else queryset.values("pk", lookup))


def people_rows(queryset: QuerySet[Model]) -> list[dict[str, object]]:
    """Return what planning must know of these users; where a join repeats one, so do the rows."""
    settings = conf.get().recipient
    names = [*own_variables(queryset), settings.lookup, *settings.fields.values()]
    return list(queryset.values("pk", *dict.fromkeys(name for name in names if name != "pk")))


def each_once(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """Return rows without those that a join repeated."""
    found: dict[object, dict[str, object]] = {}
    for row in rows:
        found.setdefault(row["pk"], row)
    return list(found.values())


def _members_among(exclude: Mapping[str, Any], rows: Sequence[Mapping[str, object]]) -> set[object]:
    """Return which of these users' keys an audience means: asked about them alone, so that no size of it matters."""
    keys: list[UserKey] = [row["pk"] for row in rows]
    if "all" in exclude:
        return set(keys)
    if "users" in exclude:
        lookup = conf.get().recipient.lookup
        named = named_in(exclude["users"], [row[lookup] for row in rows])
        return {row["pk"] for row in rows if row[lookup] is not None and spelled(row[lookup]) in named}
    if "topic" in exclude:
        return set(_subscriptions(str(exclude["topic"])).filter(user__in=keys).values_list("user_id", flat=True))
    if "broadcast" in exclude:
        mine = reached_by(earlier_broadcast(exclude)).filter(recipient__in=[user_recipient(key) for key in keys])
        reached = set(mine.values_list("recipient", flat=True))
        return {key for key in keys if user_recipient(key) in reached}
    return set(members(exclude, stored=True).filter(pk__in=keys).values_list("pk", flat=True))


def _subscriptions(slug: str) -> QuerySet[TopicSubscription]:
    # By its key, not by a join: PostgreSQL then knows how many there are, and that the index has them in order.
    topic = Topic.objects.filter(slug=slug).values_list("pk", flat=True).first()
    return TopicSubscription.objects.filter(topic=topic) if topic is not None else TopicSubscription.objects.none()
