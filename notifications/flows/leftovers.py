"""Leftovers: idempotency keys at the end of their life, and receipts that belong to no delivery (any more).

Both tables grow at their end, so that what is old is at the beginning of the key: no index on the time is needed.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from .. import conf
from ..models import Delivery, IdempotencyKey, Receipt
from .time_box import turns

BATCH = 1_000
# How far receipts were read: those of deliveries that are there stay, and must not be read again each minute.
_read_upto = 0


def forget_keys() -> int:
    """Delete idempotency keys that are past their life; return how many."""
    days = conf.get().idempotency_keys_days
    if days is None:
        return 0
    since, done = Delivery.objects.database_now() - timedelta(days=days), 0
    for _ in turns():
        oldest = list(IdempotencyKey.objects.order_by("pk").values_list("pk", "created_at")[:BATCH])
        old = [key for key, created_at in oldest if created_at < since]
        done += IdempotencyKey.objects.filter(pk__in=old).delete()[0]
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


def _there(named: list[UUID]) -> set[UUID]:
    """Return those of these deliveries that are there; the bounds leave most partitions out."""
    if not named:
        return set()
    found = Delivery.objects.filter(pk__in=named, pk__gte=min(named), pk__lte=max(named))
    return set(found.values_list("pk", flat=True))
