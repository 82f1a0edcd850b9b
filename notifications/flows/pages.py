"""Pages: the members of a broadcast's audience, and what is planned for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..enums import Channel
from ..models import Broadcast, Category, Delivery, NewDelivery, Notification
from ..rules.identity import UserKey
from .audience_pages import members_with, without
from .people import people_from_rows
from .personal import personal_variables
from .plan import foresee, plan_many, steps_of

Row = dict[str, object]


@dataclass(frozen=True)
class Sending:
    """What a page is planned for: the message, its category, and the moment."""

    notification: Notification
    category: Category
    now: datetime


def rows_of(made: Broadcast, keys: Sequence[UserKey]) -> list[Row]:
    """Return what planning reads of these users, without those who are no members (any more)."""
    return without(members_with(made.audience, keys), made.exclude)


def plan_rows(sending: Sending, rows: Sequence[Row]) -> list[NewDelivery]:
    """Plan the deliveries of these members and write them."""
    personal, lacking = personal_variables(rows, sending.notification)
    people = people_from_rows(rows, lacking, _channels(sending))
    return plan_many(sending.notification, sending.category, people, sending.now, personal)


def foresee_rows(sending: Sending, rows: Sequence[Row]) -> list[Delivery]:
    """Return the deliveries that would be planned for these members; nothing is written."""
    personal, lacking = personal_variables(rows, sending.notification)
    people = people_from_rows(rows, lacking, _channels(sending))
    return foresee(sending.notification, sending.category, people, sending.now, personal=personal)


def _channels(sending: Sending) -> set[Channel]:
    return {channel for step in steps_of(sending.notification, sending.category) for channel in step}
