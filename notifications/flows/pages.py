"""Pages: the members of a broadcast's audience in key order, a page at a time, with what planning reads of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model, QuerySet

from .. import conf
from ..models import Broadcast, Category, Delivery, Notification
from ..rules.identity import UserKey, user_recipient
from .audiences import members
from .people import people_from_rows
from .plan import foresee, plan
from .templates import find_template

Row = dict[str, object]


@dataclass(frozen=True)
class Sending:
    """What a page is planned for: the message, its category, and the moment."""

    notification: Notification
    category: Category
    now: datetime


def members_of(made: Broadcast) -> QuerySet[Model]:
    """Return everybody that a broadcast means, in key order.

    Raises:
        InvalidData: the audience cannot be made (any more).
    """
    queryset = members(made.audience, stored=True).order_by("pk")
    if made.exclude is not None:
        queryset = queryset.exclude(pk__in=members(made.exclude, stored=True).values("pk"))
    return queryset


def beyond(made: Broadcast, queryset: QuerySet[Model]) -> QuerySet[Model]:
    """Return those members whom no page has held yet."""
    return queryset.filter(pk__gt=made.cursor) if made.cursor else queryset


def rows_of(queryset: QuerySet[Model], most: int | None = None) -> tuple[list[Row], bool]:
    """Return what planning reads of the first members, each once, and whether those are all."""
    names = [*queryset.query.annotations, *set(conf.get().recipient.fields.values())]
    page = list(queryset.values("pk", *names)[:most])
    # A join may repeat a user: rows collapse by key.
    found: dict[object, Row] = {}
    for row in page:
        found.setdefault(row["pk"], row)
    return list(found.values()), most is None or len(page) < most


def keys_of(queryset: QuerySet[Model], most: int) -> tuple[list[UserKey], bool]:
    """Return the keys of the first members, each once, and whether those are all; nothing else of them is read."""
    page = list(queryset.values_list("pk", flat=True)[:most])
    return list(dict.fromkeys(page)), len(page) < most


def plan_rows(sending: Sending, rows: Sequence[Row]) -> list[Delivery]:
    """Plan the deliveries of these members and write them."""
    notification = sending.notification
    people, own = people_from_rows(rows), personal(rows, notification)
    return plan(notification, sending.category, people, sending.now, personal=own)


def foresee_rows(sending: Sending, rows: Sequence[Row]) -> list[Delivery]:
    """Return the deliveries that would be planned for these members; nothing is written."""
    notification = sending.notification
    people, own = people_from_rows(rows), personal(rows, notification)
    return foresee(notification, sending.category, people, sending.now, personal=own)


def personal(rows: Sequence[Row], notification: Notification) -> dict[str, dict[str, object]]:
    """Return the annotations that fill declared variables, by recipient."""
    template = find_template(notification.template)
    names = [name for name in template.variables if name not in notification.data and rows and name in rows[0]]
    if not names:
        return {}
    return {user_recipient(row["pk"]): {name: row[name] for name in names} for row in rows}
