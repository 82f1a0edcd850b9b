"""Leftovers: idempotency keys at the end of their life, and receipts that belong to no delivery (any more).

Both tables grow at their end, so that what is old is at the beginning of the key: no index on the time is needed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from .. import conf
from ..models import Delivery, IdempotencyKey, Receipt
from .time_box import turns

BATCH = 5_000
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
        rows = Receipt.objects.filter(pk__gt=_read_upto).order_by("pk").values_list("pk", "received_at")
        page: list[tuple[int, datetime]] = list(rows[:BATCH])
        old = [key for key, received_at in page if received_at < since]
        if not old:
            _read_upto = 0
            break
        matched = Exists(Delivery.objects.filter(pk=OuterRef("delivery_id")))
        unmatched = Receipt.objects.filter(
            ~matched, pk__gte=old[0], pk__lte=old[-1], due_at=None, received_at__lt=since
        )
        done += unmatched.delete()[0]
        _read_upto = old[-1]
    return done
