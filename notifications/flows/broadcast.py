"""Broadcast: plan an audience page by page; page and cursor commit together."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Now

from .. import conf
from ..enums import BroadcastStatus, State
from ..models import Broadcast, Category, Delivery, Notification
from ..rules.masking import unquoted
from ..wakeups import wake_on_commit
from .alerts import raise_alert
from .audience_pages import Page, next_page
from .people import people_from_rows
from .personal import personal_variables
from .plan import plan

logger = logging.getLogger("notifications.broadcast")
_MOST_FAILURES = 5
_AGAIN = "nobody further is planned; mend the cause, then send it anew and exclude whom this one reached"
_BEFORE_PLANNING = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)


def plan_page(broadcast_id: UUID) -> bool:
    """Plan the next page of a broadcast; return whether another one should follow at once.

    The row is locked meanwhile, so that two planners cannot plan one page; page and cursor commit together.
    A page that fails again and again stops the broadcast with an alert.
    """
    try:
        return _plan_page(broadcast_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("broadcast %s: a page could not be planned", broadcast_id, exc_info=unquoted(error))
        _note_failure(broadcast_id, type(error).__name__)
        return False


def _plan_page(broadcast_id: UUID) -> bool:
    with transaction.atomic():
        made = (
            Broadcast.objects.select_for_update(skip_locked=True)
            .filter(pk=broadcast_id, status__in=_BEFORE_PLANNING)
            .first()
        )
        if made is None or (made.send_at and made.send_at > Delivery.objects.database_now()):
            return False
        notification = Notification.objects.get(pk=made.notification_id)
        category = Category.objects.get(slug=notification.category)
        if _backlog(category) > conf.BACKLOG_LIMIT:
            return False
        now = Delivery.objects.database_now()
        page = _next_page(made)
        if made.per_second:
            # A page holds what may go out in one second; each page is due a second after the one before.
            notification.send_at = (made.started_at or now) + timedelta(seconds=made.members / made.per_second)
        personal, lacking = personal_variables(page.rows, notification)
        written = plan(notification, category, people_from_rows(page.rows, lacking), now, personal=personal)
        made.status = BroadcastStatus.PLANNING
        made.started_at = made.started_at or now
        made.members += len(page.rows)
        made.planned += len(written)
        if page.complete:
            made.status, made.planned_at = BroadcastStatus.SENDING, now
        made.cursor = page.cursor
        # Not all of it: the audience may be a list of 100,000.
        made.save(update_fields=["status", "started_at", "planned_at", "members", "planned", "cursor"])
        wake_on_commit(row.channel for row in written if row.state == State.PENDING)
        return made.status == BroadcastStatus.PLANNING


def _note_failure(broadcast_id: UUID, error: str) -> None:
    Broadcast.objects.filter(pk=broadcast_id).update(problems=F("problems") + 1)
    stopped = Broadcast.objects.filter(pk=broadcast_id, problems__gte=_MOST_FAILURES, status__in=_BEFORE_PLANNING)
    if stopped.update(status=BroadcastStatus.STOPPED, finished_at=Now()):
        raise_alert(
            "broadcast_stopped", str(broadcast_id), f"a page failed {_MOST_FAILURES} times with {error}: {_AGAIN}"
        )


def _next_page(made: Broadcast) -> Page:
    size = min(conf.PAGE_SIZE, made.per_second or conf.PAGE_SIZE)
    return next_page(made.audience, made.exclude, made.cursor, size)


def _backlog(category: Category) -> int:
    """Return how much of the category's channels is due now, counted no further than the limit."""
    due = Delivery.objects.filter(channel__in=category.channels, state=State.PENDING, due_at__lte=Now())[
        : conf.BACKLOG_LIMIT + 1
    ]
    return due.count()
