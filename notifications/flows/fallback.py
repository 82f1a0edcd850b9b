"""Fall back: when a step of channels has failed or is overdue, plan the next, once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from ..enums import HELD_STATUSES, Reason, State
from ..models import Broadcast, Category, Delivery, Notification
from ..models.delivery_queries import standing_of
from ..rules.doubt import is_doubted
from ..rules.fallback import judge
from ..rules.standing import Change, Standing
from ..rules.transitions import ended
from ..wakeups import wake_on_commit
from .people import person_of
from .plan import plan, steps_of
from .record import record
from .reopen import reopen


def fall_back(delivery_id: UUID) -> bool:
    """Judge the recipient's deliveries of this notification, and plan the next channel if this step has failed.

    They are locked in id order, so that two workers who see two devices fail cannot both fall back, nor neither.
    Return whether the next step was planned.
    """
    first = Delivery.objects.filter(pk=delivery_id).values("notification_id", "recipient").first()
    if first is None:
        return False
    with transaction.atomic():
        rows = Delivery.objects.lock_recipient(first["notification_id"], first["recipient"])
        notification = Notification.objects.get(pk=first["notification_id"])
        category = Category.objects.get(slug=notification.category)
        now = Delivery.objects.database_now()
        waits = _is_held(notification)
        step = max(row.step for row in rows)
        current = [row for row in rows if row.step == step]
        standings = [_as_judged(standing_of(row), waits=waits) for row in current]
        verdict = judge(standings, now, confirmed_only=bool(category.fallback_after))
        follows = step + 1 < len(steps_of(notification, category))
        over = notification.cancelled_at is not None or (
            notification.expires_at is not None and notification.expires_at <= now
        )
        go = verdict.fall_back and follows and not over
        again_at = None if go else verdict.again_at
        # A step that was given up asks for nothing any more; a timer left on it would be due for ever.
        record(
            Change(
                row.pk, standing_of(row), standing_of(row)._replace(fallback_at=again_at if row.step == step else None)
            )
            for row in rows
            if row.fallback_at is not None and row.state != State.SENDING
        )
        if go:
            personal = {row.recipient: row.data for row in rows if row.data}
            people = [person] if (person := person_of(first["recipient"], notification)) else []
            made = plan(notification, category, people, now, first_step=step + 1, personal=personal)
            if any(row.state == State.PENDING for row in made):
                _take_over(current, made)
                if not notification.recipient:
                    reopen([notification.pk])
        return go


def _is_held(notification: Notification) -> bool:
    """Whether it is a broadcast that is paused or was stopped, so that nothing of it is tried."""
    if notification.recipient:
        return False
    return Broadcast.objects.filter(notification_id=notification.pk, status__in=HELD_STATUSES).exists()


def _as_judged(standing: Standing, *, waits: bool) -> Standing:
    """Return a standing as it is judged: nobody's patience ends while nobody may try.

    What has gone out is waited for as ever: the recipient can confirm it meanwhile.
    """
    return standing._replace(fallback_at=None) if waits and standing.state == State.PENDING else standing


def _take_over(given_up: Sequence[Delivery], made: Sequence[Delivery]) -> None:
    """Cancel what still waits in the step that is given up, or the recipient would surely get both.

    What is uncertain may have gone out: it is not sent again, a receipt still tells if it did, and what goes out
    instead is marked, since the recipient may get both. Where the next step reaches nobody, all of this is left
    alone: what waits may still get through.
    """
    doubt = any(is_doubted(standing_of(row)) and row.state != State.SENT for row in given_up)
    fresh = Delivery.objects.lock_ids([row.pk for row in given_up])
    changes = [
        Change(
            row.pk, standing_of(row), ended(standing_of(row), State.CANCELLED, Reason.FALLBACK, row.due_at), keep=True
        )
        for row in fresh
        if row.state in (State.PENDING, State.UNCERTAIN)
    ]
    changes += [
        Change(row.pk, standing_of(row), standing_of(row)._replace(possible_duplicate=True))
        for row in made
        if doubt and row.state == State.PENDING
    ]
    record(changes)
    wake_on_commit(row.channel for row in made if row.state == State.PENDING)
