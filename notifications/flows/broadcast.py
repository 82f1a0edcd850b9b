"""Broadcast: plan an audience page by page; page and cursor commit together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from .. import conf
from ..enums import BroadcastStatus, State
from ..models import Broadcast, Category, Delivery, NewDelivery, Notification
from ..models.broadcast import Channels
from ..models.deadlines import is_away
from ..rules.isolation import MOST_FAILURES, next_try
from ..rules.masking import unquoted
from ..rules.sharing import FULL, room_for
from ..wakeups import wake_on_commit
from .apart import Parts, plan_apart
from .audience_pages import next_page
from .left_out import keep_left_out
from .pages import Sending, plan_rows
from .plan import steps_of
from .slots import slot_for_page
from .stop import stop

logger = logging.getLogger("notifications.broadcast")
_BEFORE_PLANNING = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)
_MOVED = (
    *("status", "started_at", "paced_from", "planned_at", "members"),
    *("planned", "problems", "cursor", "failures", "retry_at"),
)
_ROOM_SECONDS = 1.0
#: How many more people of a broadcast this process may plan without counting what is due, and until when.
_room: dict[UUID, tuple[int, float]] = {}


def plan_page(broadcast_id: UUID) -> bool:
    """Plan the next page of a broadcast; return whether another one should follow at once.

    The row is locked meanwhile, so that two planners cannot plan one page; page and cursor commit together. A page
    that fails is planned in parts, so that only those at fault are left out, and are listed. Where that fails too,
    nobody is passed over: the page is tried again, and after several tries the broadcast stops with an alert.
    """
    try:
        return _plan_page(broadcast_id, _together)
    except Exception as error:
        if is_away(error):
            raise
        logger.warning("broadcast %s: a page is planned in parts", broadcast_id, exc_info=unquoted(error))
    try:
        return _plan_page(broadcast_id, plan_apart)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("broadcast %s: a page could not be planned", broadcast_id, exc_info=unquoted(error))
        _note_failure(broadcast_id, type(error).__name__)
        return False


def _plan_page(broadcast_id: UUID, plan_some: Callable[[Broadcast, Sending, int], Parts[NewDelivery]]) -> bool:
    with transaction.atomic():
        made = (
            Broadcast.objects.select_for_update(skip_locked=True)
            .filter(pk=broadcast_id, status__in=_BEFORE_PLANNING)
            .first()
        )
        now = Broadcast.objects.page_now()
        if made is None or not _is_its_turn(made, now):
            return False
        notification = Notification.objects.get(pk=made.notification_id)
        category = Category.objects.get(slug=notification.category)
        if not steps_of(notification, category):
            stop(made, "broadcast_stopped", "none of its channels is one of its category's any more")
            return False
        size = slot_for_page(made, notification, now)
        if not size or not _has_room(made, notification, category, size):
            return False
        page = plan_some(made, Sending(notification, category, now), size)
        made.status = BroadcastStatus.PLANNING
        made.started_at = made.started_at or now
        made.members += len(page.keys)
        made.planned += len(page.written)
        made.failures, made.retry_at = 0, None
        if page.complete:
            made.status, made.planned_at = BroadcastStatus.SENDING, now
        made.cursor = page.cursor
        keep_left_out(made, page.left_out)
        # Not all of it: the audience may be a list of 100,000.
        made.save(update_fields=_MOVED)
        wake_on_commit(row.channel for row in page.written if row.state == State.PENDING)
        return made.status == BroadcastStatus.PLANNING


def _together(made: Broadcast, sending: Sending, most: int) -> Parts[NewDelivery]:
    """Plan the next page as a whole, which nearly always works: one query a table, however many members."""
    page = next_page(made.audience, made.exclude, made.cursor, most)
    keys = [row["pk"] for row in page.rows]
    return Parts(keys, page.cursor, page.complete, written=plan_rows(sending, page.rows))


def _is_its_turn(made: Broadcast, now: datetime) -> bool:
    return not any(moment is not None and moment > now for moment in (made.send_at, made.retry_at))


def _has_room(made: Broadcast, notification: Notification, category: Category, size: int) -> bool:
    """Whether little enough is due now on each channel that a page of this size may be planned.

    Counting what is due costs as much as planning some hundred people, so that what was found holds for a second, and
    for as many people as then had room.
    """
    room, until = _room.pop(made.pk, (0, 0.0))
    if room > 0 and time.monotonic() < until:
        _room[made.pk] = (room - size, until)
        return True
    first, *later = steps_of(notification, category)
    channels = Channels(first, [channel for step in later for channel in step])
    crowds = Broadcast.objects.crowds(notification.pk, channels, category.priority, FULL * conf.BACKLOG_LIMIT)
    left = min(room_for(crowd.own, crowd.due, crowd.sharing, conf.BACKLOG_LIMIT) for crowd in crowds)
    _forget_old_room()
    if left > 0:
        _room[made.pk] = (left - size, time.monotonic() + _ROOM_SECONDS)
    return left > 0


def _forget_old_room() -> None:
    """Forget the room of broadcasts that were planned to their end, paused, or planned by others since."""
    for key in [key for key, (_, until) in _room.items() if until <= time.monotonic()]:
        _room.pop(key, None)


def _note_failure(broadcast_id: UUID, error: str) -> None:
    with transaction.atomic():
        made = Broadcast.objects.select_for_update().filter(pk=broadcast_id, status__in=_BEFORE_PLANNING).first()
        if made is None:
            return
        made.failures += 1
        made.retry_at = Delivery.objects.database_now() + next_try(made.failures)
        made.save(update_fields=["failures", "retry_at"])
        if made.failures >= MOST_FAILURES:
            stop(made, "broadcast_stopped", f"its next page failed {made.failures} times with {error}")
