"""Control: launch a draft, pause, resume and cancel a broadcast; the rows that wait follow in batches."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..enums import HELD_STATUSES, BroadcastStatus, Reason, State
from ..exceptions import WrongStatus
from ..models import Broadcast, Delivery, Notification
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import parked, returned
from ..wakeups import wake_on_commit
from .cancel import cancel_waiting
from .judge_broadcasts import counts_of
from .launch import expiry_at_launch, wake_planner
from .newer_words import take_version
from .record import record
from .slots import is_paced, next_slots
from .status import deliveries_of

_BATCH = 1_000
#: How long one call follows its own decision; what is left is caught when a worker claims it.
_PATIENCE_SECONDS = 2.0
_OPEN = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING, BroadcastStatus.SENDING)
_PACE = ("members", "per_second", "ramp_minutes", "started_at", "paced_from")


def launch_draft(broadcast_id: UUID) -> Broadcast:
    """Launch a draft: it is planned at once, or at its time.

    Raises:
        WrongStatus: it is no draft (any more).
    """
    with transaction.atomic():
        made = _locked(broadcast_id, (BroadcastStatus.DRAFT,), "launched")
        made.status = _before_planning(made)
        made.save(update_fields=["status"])
        notification = Notification.objects.get(pk=made.notification_id)
        if notification.expires_at is not None:
            notification.expires_at = expiry_at_launch(notification, made, _now())
            notification.save(update_fields=["expires_at"])
        if made.status == BroadcastStatus.PLANNING:
            wake_planner(notification, made.pk)
    return made


def pause(broadcast_id: UUID) -> Broadcast:
    """Pause a broadcast: planning stops, and workers park what comes due; a group that is on its way goes out.

    Raises:
        WrongStatus: it is a draft or over.
    """
    with transaction.atomic():
        made = _locked(broadcast_id, (*_OPEN, BroadcastStatus.PAUSED), "paused")
        made.status = BroadcastStatus.PAUSED
        made.save(update_fields=["status"])
    return made


def resume(broadcast_id: UUID, *, version: int | str | None = None, actor: str = "") -> Broadcast:
    """Resume a broadcast that is paused or stopped; what was parked is due again, at the broadcast's rate.

    With a `version` of its template (a number, or "newest"), that is what is sent from now on. What failed before a
    stop was looked at by whoever resumes: only what fails from now on may stop it again.

    Raises:
        WrongStatus: it is neither paused nor stopped.
        InvalidData: the version cannot be sent instead.
    """
    with transaction.atomic():
        made = _locked(broadcast_id, HELD_STATUSES, "resumed")
        if version is not None:
            take_version(made, version)
        if made.status == BroadcastStatus.STOPPED:
            made.judged_from = asdict(counts_of(made))
        made.status = BroadcastStatus.SENDING if made.planned_at else _before_planning(made)
        made.failures, made.retry_at, made.stopped_for, made.finished_at = 0, None, "", None
        made.save(update_fields=["status", "failures", "retry_at", "stopped_for", "finished_at", "judged_from"])
        if made.status == BroadcastStatus.PLANNING:
            wake_planner(Notification.objects.get(pk=made.notification_id), made.pk)
    unpark(made, actor=actor)
    return made


def unpark(made: Broadcast, *, actor: str = "", seconds: float = _PATIENCE_SECONDS) -> int:
    """Let go on what a pause parked, for some seconds, and return how many rows that were; the sweeper does the rest.

    With a rate or a ramp they come due one after the other, however often and by whomever this is called.
    It ends as soon as the broadcast is paused or stopped anew: workers would park again what it lets go.
    """
    done, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        with transaction.atomic():
            going_on = _going_on(made)
            if going_on is None:
                break
            waiting = Q(notification_id=made.notification_id, state=State.PENDING, reason=Reason.PAUSED)
            rows = Delivery.objects.lock_some(waiting, _BATCH)
            if not rows:
                return done
            now = Delivery.objects.database_now()
            changes = []
            for row, due in zip(rows, next_slots(going_on, len(rows), now), strict=True):
                before = standing_of(row)
                after = returned(before, now) if due <= now else parked(before, Reason.PACED, due)
                # How long its provider failed it before the pause says nothing any more.
                changes.append(Change(row.pk, before, after._replace(fallback_at=None), actor=actor))
            done += len(record(changes))
            wake_on_commit(row.channel for row in rows)
    return done


def _going_on(made: Broadcast) -> Broadcast | None:
    """Return a broadcast as it is now unless it is paused or over; locked where others could take the same slots."""
    found = Broadcast.objects.filter(pk=made.pk, status__in=_OPEN).only(*_PACE)
    return (found.select_for_update() if is_paced(made) else found).first()


def cancel_broadcast(broadcast_id: UUID, *, actor: str = "") -> Broadcast:
    """Cancel a broadcast: nothing more is planned, and what waits is cancelled; a group on its way goes out.

    One that is done may be followed by fallbacks, or by another attempt that a late report asks for; cancelled, it is
    not. It keeps the time at which it was done, since its rate is reckoned from that.

    Raises:
        WrongStatus: it is over and past its retention, so that nothing could follow.
    """
    allowed = (*_OPEN, *HELD_STATUSES, BroadcastStatus.DRAFT, BroadcastStatus.DONE, BroadcastStatus.CANCELLED)
    with transaction.atomic():
        made = _locked(broadcast_id, allowed, "cancelled")
        if made.status == BroadcastStatus.DONE and made.outcome is not None:
            raise WrongStatus("A broadcast that is done and past its retention cannot be cancelled.")
        if made.status != BroadcastStatus.CANCELLED:
            made.status, made.finished_at = BroadcastStatus.CANCELLED, made.finished_at or _now()
            made.save(update_fields=["status", "finished_at"])
        Notification.objects.filter(pk=made.notification_id, cancelled_at=None).update(cancelled_at=Now())
    cancel_parked(made.notification_id, actor=actor)
    return made


def cancel_parked(notification_id: UUID, *, actor: str = "") -> None:
    """Cancel for some seconds what waits of a cancelled broadcast; workers and the sweeper see to the rest."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    waiting = deliveries_of(notification_id).filter(state=State.PENDING).order_by("pk")
    after = UUID(int=0)
    while time.monotonic() < deadline:
        keys = list(waiting.filter(pk__gt=after).values_list("pk", flat=True)[:_BATCH])
        if not keys:
            return
        cancel_waiting(Q(pk__in=keys), actor=actor)
        after = keys[-1]


def _locked(broadcast_id: UUID, allowed: Collection[BroadcastStatus], done: str) -> Broadcast:
    made = Broadcast.objects.select_for_update().get(pk=broadcast_id)
    if made.status not in allowed:
        raise WrongStatus(f"A broadcast that is {made.status} cannot be {done}.")
    return made


def _before_planning(made: Broadcast) -> BroadcastStatus:
    later = made.started_at is None and made.send_at is not None and made.send_at > _now()
    return BroadcastStatus.SCHEDULED if later else BroadcastStatus.PLANNING


def _now() -> datetime:
    return Delivery.objects.database_now()
