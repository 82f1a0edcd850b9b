"""Tend broadcasts: start, continue, judge and finish those that are under way."""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from ..enums import OPEN_STATES, BroadcastStatus, Reason, State
from ..models import Broadcast, Delivery, Notification
from .control import cancel_parked, unpark
from .guarded import guarded
from .judge_broadcasts import judge_broadcasts
from .launch import wake_planner


def continue_broadcasts() -> None:
    """Start scheduled broadcasts, continue unfinished planning, and finish those whose deliveries are all final."""
    for made in Broadcast.objects.filter(status__in=(BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)):
        if made.send_at is None or made.send_at <= Delivery.objects.database_now():
            with guarded(f"broadcast {made.pk}"):
                wake_planner(Notification.objects.get(pk=made.notification_id), made.pk)
    # A worker that still read "paused" may have parked rows after the resume.
    parked = Delivery.objects.filter(
        notification_id=OuterRef("notification_id"), state=State.PENDING, reason=Reason.PAUSED
    )
    of_late = (BroadcastStatus.PLANNING, BroadcastStatus.SENDING, BroadcastStatus.CANCELLED)
    for made in Broadcast.objects.filter(Exists(parked), status__in=of_late):
        with guarded(f"broadcast {made.pk}"):
            if made.status == BroadcastStatus.CANCELLED:
                # Parked rows come due in weeks, so that no worker would cancel them.
                cancel_parked(made.notification_id)
            else:
                unpark(made)
    # Before any is finished: one of which too much failed is stopped, and not done.
    judge_broadcasts()
    unfinished = Delivery.objects.filter(notification_id=OuterRef("notification_id"), state__in=OPEN_STATES)
    Broadcast.objects.filter(~Exists(unfinished), status=BroadcastStatus.SENDING).update(
        status=BroadcastStatus.DONE, finished_at=Now()
    )
