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
from ..rules.identity import user_recipient
from ..rules.masking import unquoted
from ..wakeups import wake_on_commit
from .alerts import raise_alert
from .audiences import members
from .people import people_from_rows
from .plan import plan
from .templates import find_template

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
        rows, complete = _next_rows(made)
        if made.per_second:
            # A page holds what may go out in one second; each page is due a second after the one before.
            notification.send_at = (made.started_at or now) + timedelta(seconds=made.members / made.per_second)
        written = plan(notification, category, people_from_rows(rows), now, personal=_personal(rows, notification))
        made.status = BroadcastStatus.PLANNING
        made.started_at = made.started_at or now
        made.members += len(rows)
        made.planned += len(written)
        if complete:
            made.status, made.planned_at = BroadcastStatus.SENDING, now
        if rows:
            made.cursor = str(rows[-1]["pk"])
        made.save()
        wake_on_commit(row.channel for row in written if row.state == State.PENDING)
        return made.status == BroadcastStatus.PLANNING


def _note_failure(broadcast_id: UUID, error: str) -> None:
    Broadcast.objects.filter(pk=broadcast_id).update(problems=F("problems") + 1)
    stopped = Broadcast.objects.filter(pk=broadcast_id, problems__gte=_MOST_FAILURES, status__in=_BEFORE_PLANNING)
    if stopped.update(status=BroadcastStatus.STOPPED, finished_at=Now()):
        raise_alert(
            "broadcast_stopped", str(broadcast_id), f"a page failed {_MOST_FAILURES} times with {error}: {_AGAIN}"
        )


def _next_rows(made: Broadcast) -> tuple[list[dict[str, object]], bool]:
    """Return the next page of users, each once, and whether it is the last."""
    size = min(conf.PAGE_SIZE, made.per_second or conf.PAGE_SIZE)
    queryset = members(made.audience, stored=True).order_by("pk")
    if made.exclude is not None:
        queryset = queryset.exclude(pk__in=members(made.exclude, stored=True).values("pk"))
    if made.cursor:
        queryset = queryset.filter(pk__gt=made.cursor)
    names = [*queryset.query.annotations, *set(conf.get().recipient.fields.values())]
    page = list(queryset.values("pk", *names)[:size])
    # A join may repeat a user: rows collapse by key.
    found: dict[object, dict[str, object]] = {}
    for row in page:
        found.setdefault(row["pk"], row)
    return list(found.values()), len(page) < size


def _personal(rows: list[dict[str, object]], notification: Notification) -> dict[str, dict[str, object]]:
    """Return the annotations that fill declared variables, by recipient."""
    template = find_template(notification.template)
    names = [name for name in template.variables if name not in notification.data and rows and name in rows[0]]
    if not names:
        return {}
    return {user_recipient(row["pk"]): {name: row[name] for name in names} for row in rows}


def _backlog(category: Category) -> int:
    """Return how much of the category's channels is due now, counted no further than the limit."""
    due = Delivery.objects.filter(channel__in=category.channels, state=State.PENDING, due_at__lte=Now())[
        : conf.BACKLOG_LIMIT + 1
    ]
    return due.count()
