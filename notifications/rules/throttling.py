"""How much one recipient gets of a category: so many notifications a throttle window, the rest in a digest or later."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from uuid import UUID
from zoneinfo import ZoneInfo

from ..declarations.limits import Schedule, Throttle
from .quiet_hours import first_at

_LENGTH = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True)
class Span:
    """A stretch of time from `start` up to, not including, `end`; both aware."""

    start: datetime
    end: datetime


class Admission(Enum):
    """What becomes of a notification that asks for its place in a throttle window."""

    SEND = "send"
    DEFER = "defer"
    DIGEST = "digest"


def throttle_window(throttle: Throttle, moment: datetime, where: ZoneInfo) -> Span:
    """Return the throttle window that a moment lies in: minutes and hours are UTC's, days the recipient's."""
    if throttle.per == "day":
        return _local_day(moment, where)
    length = _LENGTH[throttle.per]
    start = datetime.fromtimestamp(moment.timestamp() // length.total_seconds() * length.total_seconds(), UTC)
    return Span(start, start + length)


def digest_at(schedule: Schedule, moment: datetime, where: ZoneInfo) -> datetime:
    """Return when the digest that gathers at this moment goes out: always later than the moment."""
    if schedule.daily is None:
        return throttle_window(Throttle(1, "hour"), moment, where).end
    local = moment.astimezone(where)
    for days in range(3):
        due = first_at(local.date() + timedelta(days=days), schedule.daily, where)
        if due > moment:
            return due
    raise AssertionError("a time of day comes round within two days")


def admit(
    notification: UUID, admitted: Collection[UUID], throttle: Throttle | None, schedule: Schedule | None
) -> Admission:
    """Decide about one notification, given those that this window admitted already.

    One that was admitted stays so: its other devices and its retries are not counted again. A category with a digest
    and no throttle gathers everything.
    """
    if notification in admitted:
        return Admission.SEND
    if throttle is None:
        return Admission.SEND if schedule is None else Admission.DIGEST
    if len(admitted) < throttle.most:
        return Admission.SEND
    return Admission.DEFER if schedule is None else Admission.DIGEST


def _local_day(moment: datetime, where: ZoneInfo) -> Span:
    today = moment.astimezone(where).date()
    start = first_at(today, time.min, where)
    # Where the clocks skip midnight, the day begins with the first moment that there is.
    if start > moment:
        today -= timedelta(days=1)
        start = first_at(today, time.min, where)
    return Span(start, first_at(today + timedelta(days=1), time.min, where))
