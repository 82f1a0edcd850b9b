"""Ramp: how fast a broadcast may go when it starts slowly, so that a mistake or a new sender's name costs little.

In its first minute 100 go out, in each further minute twice as many as before, until the rate that was asked for is
reached or the ramp is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_MINUTE = 100
USUAL_MINUTES = 10
MOST_MINUTES = 30
#: How far ahead pages are planned, if they have a time: what is planned keeps its time, whatever happens until then.
AHEAD = timedelta(minutes=1)
_MINUTE = 60.0


@dataclass(frozen=True)
class Page:
    """The most members of the next page, how long after the start it is due, and how many a second go out by then.

    Without such a number it is as fast as can be.
    """

    size: int
    due_after: timedelta
    per_second: float | None = None


def next_page(members: int, largest: int, per_second: int | None, ramp_minutes: int | None) -> Page:
    """Return the next page of a broadcast that has planned so many members, with `largest` in a page at most.

    With a rate, a page holds what may go out in one second. A page never crosses from one minute of the ramp into
    the next, and is due when those before it have had their time.
    """
    largest = min(largest, per_second or largest)
    begun = 0
    for minute in range(ramp_minutes or 0):
        quota = FIRST_MINUTE * 2**minute
        if per_second is not None and quota >= per_second * _MINUTE:
            return _steady(members - begun, largest, per_second, minute)
        if members < begun + quota:
            inside = members - begun
            due_after = timedelta(seconds=_MINUTE * (minute + inside / quota))
            return Page(min(largest, quota - inside), due_after, quota / _MINUTE)
        begun += quota
    return _steady(members - begun, largest, per_second, ramp_minutes or 0)


def _steady(since: int, largest: int, per_second: int | None, minutes: int) -> Page:
    """Return the next page once the ramp is over, after `since` members at full speed."""
    spread = since / per_second if per_second else 0.0
    return Page(largest, timedelta(seconds=_MINUTE * minutes + spread), per_second)


def caught_up(due_after: timedelta, since_start: timedelta, slack: timedelta) -> timedelta:
    """Return by how much the start must be moved, so that what a pause or an outage held up does not burst out."""
    late = since_start - due_after
    return late if late > slack else timedelta()


def planned_from(due: datetime, now: datetime) -> datetime | None:
    """Return when a page is looked at again that is due too late to be planned now; None if it may be planned.

    Half of what is planned ahead may be used up by then, so that a slow broadcast rests in between.
    """
    return due - AHEAD / 2 if due > now + AHEAD else None


def ahead(page: Page, largest: int) -> int:
    """Return how many go out in the time that is planned ahead, at the rate of a page; `largest` at most."""
    if page.per_second is None:
        return largest
    return max(1, min(largest, int(page.per_second * AHEAD.total_seconds())))


def behind(page: Page, start: datetime, now: datetime, count: int) -> tuple[list[datetime], datetime]:
    """Return when so many are due that a pause held up, at the rate of the next page; and the start from then on.

    They take its slot and those after it, so that the page itself is due when they have had their time.
    """
    first = max(now, start + page.due_after)
    slots = [first + _lasting(number, page.per_second) for number in range(count + 1)]
    return slots[:count], slots[count] - page.due_after


def _lasting(count: int, per_second: float | None) -> timedelta:
    return timedelta(seconds=count / per_second) if per_second else timedelta()
