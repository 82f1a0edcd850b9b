"""Cancel: stop a notification; what is already on its way cannot be recalled."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..enums import Reason, State
from ..models import Delivery, Notification
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import ended
from .record import record

_BATCH = 1_000


def cancel(notification_id: UUID, *, actor: str = "") -> int:
    """Cancel what waits of a notification and return how many deliveries that were.

    Sends in flight go on; the rest of their claim stops at the next group.
    """
    Notification.objects.filter(pk=notification_id, cancelled_at=None).update(cancelled_at=Now())
    return cancel_waiting(Q(notification_id=notification_id), actor=actor)


def cancel_waiting(condition: Q, *, actor: str = "") -> int:
    """Cancel pending deliveries that fit, in batches; return how many."""
    done = 0
    while True:
        with transaction.atomic():
            rows = Delivery.objects.lock_some(condition & Q(state=State.PENDING), _BATCH)
            if not rows:
                return done
            now = Delivery.objects.database_now()
            done += len(
                record(
                    Change(
                        row.pk,
                        standing_of(row),
                        ended(standing_of(row), State.CANCELLED, Reason.NONE, now),
                        actor=actor,
                    )
                    for row in rows
                )
            )
