"""Leftovers: idempotency keys at the end of their life, and receipts that belong to no delivery (any more).

Both tables grow at their end, so that what is old is at the beginning of the key: no index on the time is needed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from .. import conf
from ..enums import OPEN_STATES, BroadcastStatus
from ..models import Broadcast, Delivery, IdempotencyKey, Receipt
from ..rules.identity import bounds_of
from .time_box import turns

BATCH = 1_000
_OVER = (BroadcastStatus.DONE, BroadcastStatus.CANCELLED)
# How far receipts were read: those of deliveries that are there stay, and must not be read again each minute.
_read_upto = 0


def forget_keys() -> int:
    """Delete idempotency keys that are past their life; return how many.

    One outlives the last open delivery of what it led to: what is sent months later must not be asked for twice.
    """
    days = conf.get().idempotency_keys_days
    if days is None:
        return 0
    since, done, upto = Delivery.objects.database_now() - timedelta(days=days), 0, 0
    for _ in turns():
        oldest = IdempotencyKey.objects.filter(pk__gt=upto).order_by("pk")
        rows = oldest.values_list("pk", "created_at", "notification_id")[:BATCH]
        old = {key: led_to for key, created_at, led_to in rows if created_at < since}
        if old:
            kept = _under_way(old.values())
            over = [key for key, led_to in old.items() if led_to not in kept]
            done += IdempotencyKey.objects.filter(pk__in=over).delete()[0]
            upto = max(old)
        if len(old) < BATCH:
            break
    return done


def forget_receipts() -> int:
    """Delete old receipts whose delivery is not there, a part of the table at a time; return how many."""
    global _read_upto  # noqa: PLW0603 - the process's own memory; whoever leads next begins anew
    days = conf.get().unmatched_receipts_days
    if days is None:
        return 0
    since, done = Delivery.objects.database_now() - timedelta(days=days), 0
    for _ in turns():
        rows = Receipt.objects.filter(pk__gt=_read_upto).order_by("pk").values_list("pk", "received_at", "delivery_id")
        old = [(key, named) for key, received_at, named in rows[:BATCH] if received_at < since]
        if not old:
            _read_upto = 0
            break
        there = _there([named for _, named in old if named is not None])
        unmatched = [key for key, named in old if named not in there]
        done += Receipt.objects.filter(pk__in=unmatched, due_at=None).delete()[0]
        _read_upto = old[-1][0]
    return done


def _under_way(notifications: Collection[UUID]) -> set[UUID]:
    """Return those of these notifications that have open deliveries, or are a broadcast that may yet have some."""
    first, beyond = bounds_of(notifications)  # so that only their own partitions are read
    mine = Delivery.objects.filter(notification_id__in=notifications, pk__gte=first, pk__lt=beyond)
    running = Broadcast.objects.filter(notification_id__in=notifications).exclude(status__in=_OVER)
    return {
        *mine.filter(state__in=OPEN_STATES).values_list("notification_id", flat=True),
        *running.values_list("notification_id", flat=True),
    }


def _there(named: list[UUID]) -> set[UUID]:
    """Return those of these deliveries that are there; the bounds leave most partitions out."""
    if not named:
        return set()
    found = Delivery.objects.filter(pk__in=named, pk__gte=min(named), pk__lte=max(named))
    return set(found.values_list("pk", flat=True))
