"""Tend broadcasts: start, continue, judge and finish those that are under way."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from ..enums import OPEN_STATES, BroadcastStatus, Reason, State
from ..models import Broadcast, Delivery, Notification
from .control import cancel_parked, unpark
from .guarded import guarded
from .judge_broadcasts import judge_broadcasts
from .launch import wake_planner
from .recheck import PAUSED_FOR

#: What a pause parked comes due by itself after this time, and workers then cancel what is left of a cancelled one.
_MAY_BE_PARKED = PAUSED_FOR + timedelta(days=1)


def continue_broadcasts() -> None:
    """Start scheduled broadcasts, continue unfinished planning, and finish those whose deliveries are all final."""
    _wake_planners()
    _mend_parked()
    # Before any is finished: one of which too much failed is stopped, and not done.
    judge_broadcasts()
    _finish()


def _wake_planners() -> None:
    due = Q(send_at=None) | Q(send_at__lte=Now())
    found = Broadcast.objects.filter(due, status__in=(BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING))
    # Not those that rest until their next page is nearly due, or until a page that failed is tried again.
    found = found.exclude(retry_at__gt=Now())
    for key, notification_id in found.values_list("pk", "notification_id"):
        with guarded(f"broadcast {key}"):
            wake_planner(Notification.objects.get(pk=notification_id), key)


def _mend_parked() -> None:
    """Let go on, or cancel, what was parked by a worker that still read "paused" after a resume or a cancel."""
    parked = Delivery.objects.filter(
        notification_id=OuterRef("notification_id"), state=State.PENDING, reason=Reason.PAUSED
    )
    going_on = Q(status__in=(BroadcastStatus.PLANNING, BroadcastStatus.SENDING))
    # Not every one that was ever cancelled: this is asked every two seconds.
    of_late = Q(status=BroadcastStatus.CANCELLED, outcome__isnull=True, finished_at__gte=Now() - _MAY_BE_PARKED)
    for made in Broadcast.objects.filter(going_on | of_late, Exists(parked)).defer("audience", "exclude"):
        with guarded(f"broadcast {made.pk}"):
            if made.status == BroadcastStatus.CANCELLED:
                # Parked rows come due in weeks, so that no worker would cancel them.
                cancel_parked(made.notification_id)
            else:
                unpark(made)


def _finish() -> None:
    unfinished = Delivery.objects.filter(notification_id=OuterRef("notification_id"), state__in=OPEN_STATES)
    over = Broadcast.objects.filter(~Exists(unfinished), status=BroadcastStatus.SENDING)
    with transaction.atomic():
        keys = list(over.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if keys:
            # Asked again now that they are locked: who plans for one of them holds its row until that is committed,
            # and the first look may be older than what was planned under the lock.
            over.filter(pk__in=keys).update(status=BroadcastStatus.DONE, finished_at=Now())
