"""Release: end a provider's hold, and let what waited because of it go on at once."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..enums import Reason, State
from ..models import Broadcast, Delivery
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import returned
from ..wakeups import wake_on_commit
from . import gate
from .record import record

_BATCH = 1_000


def release(alias: str, platform: str = "") -> int | None:
    """End a provider's hold, or that of one platform, and return how many waiting deliveries are due again.

    None if nothing was held or paused, and nothing waited either. What waits for another provider of the channel is
    looked at again too, and parked again if it must wait on.
    """
    ended = gate.end_hold(alias, platform)
    if not platform:
        ended = gate.end_pause(alias) or ended
    channel = gate.channel_of(alias)
    waiting = Q(channel=channel, state=State.PENDING, due_at__gt=Now())
    # A broadcast that goes out at a rate or a ramp of its own keeps it.
    has_pace = Q(per_second__isnull=False) | Q(ramp_minutes__isnull=False)
    measured = Broadcast.objects.filter(has_pace).values("notification_id")
    waiting &= Q(reason=Reason.BREAKER_OPEN) | (Q(reason=Reason.PACED) & ~Q(notification_id__in=measured))
    done = 0
    while channel is not None:
        with transaction.atomic():
            rows = Delivery.objects.lock_some(waiting, _BATCH)
            now = Delivery.objects.database_now()
            record(Change(row.pk, standing_of(row), returned(standing_of(row), now)) for row in rows)
            wake_on_commit([channel])
        done += len(rows)
        if len(rows) < _BATCH:
            break
    return done if ended or done else None
