"""Slots: when the next of a broadcast may go out, by its rate and ramp; call these with its row locked.

Rate and ramp count from `paced_from`. Whoever takes slots, for a page or for what a pause parked, leaves it such that
the next free slot is behind those.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .. import conf
from ..models import Broadcast, Notification
from ..rules.ramp import Page, ahead, behind, caught_up, next_page, planned_from

#: What is later than this is not caught up with: a rate that was asked for holds after a pause or an outage, too.
_SLACK = timedelta(seconds=5)


def is_paced(made: Broadcast) -> bool:
    """Whether a broadcast has a rate or a ramp."""
    return bool(made.per_second or made.ramp_minutes)


def slot_for_page(made: Broadcast, notification: Notification, now: datetime) -> int:
    """Set when the next page is due and return how many members it may hold, 0 where it is too early to plan it.

    Then `retry_at` says when it is not. What would expire before its slot needs none: it is planned as it comes.
    """
    page = _next_page(made)
    if not is_paced(made):
        return page.size
    start = _start(made, now)
    made.paced_from = start + caught_up(page.due_after, now - start, _SLACK)
    due = notification.send_at = made.paced_from + page.due_after
    if notification.expires_at is not None and due >= notification.expires_at:
        return _largest(made)
    made.retry_at = planned_from(due, now)
    if made.retry_at is None:
        return page.size
    made.save(update_fields=["retry_at"])
    return 0


def next_slots(made: Broadcast, count: int, now: datetime) -> list[datetime]:
    """Return when so many are due that a pause parked or who were left out, one after the other; at once if unpaced.

    They come behind what was planned or let go before, and what is planned from now on comes behind them.
    """
    if not is_paced(made):
        return [now] * count
    slots, made.paced_from = behind(_next_page(made), _start(made, now), now, count)
    made.save(update_fields=["paced_from"])
    return slots


def most_at_once(made: Broadcast) -> int:
    """Return how many may take slots at a time: as many as go out while pages are planned ahead, a page at most."""
    return ahead(_next_page(made), _largest(made))


def _next_page(made: Broadcast) -> Page:
    return next_page(made.members, _largest(made), made.per_second, made.ramp_minutes)


def _largest(made: Broadcast) -> int:
    """Return how many members a page may hold: fewer where there is a rate or a ramp, since a page comes due as one."""
    return min(conf.PAGE_SIZE, conf.PACED_PAGE_SIZE) if is_paced(made) else conf.PAGE_SIZE


def _start(made: Broadcast, now: datetime) -> datetime:
    return made.paced_from or made.started_at or now
