"""Prune what nobody has seen for long, by hand: a dry run, then a bounded number of devices, which can be undone."""

from __future__ import annotations

from datetime import datetime

from ..models import Device
from .operate import By, audit
from .prune import MOST_AT_ONCE, prune_stale

_BATCH = 1_000


def count_unseen(before: datetime) -> int:
    """Return how many active push devices were not seen since, counted no further than one press can prune."""
    found = Device.objects.filter(is_active=True, channel="push", last_seen_at__lt=before)
    return found.exclude(restored_at__gte=before).order_by()[:MOST_AT_ONCE].count()


def prune_unseen(before: datetime, by: By) -> int:
    """Switch off active push devices that were not seen since, and return how many; a second press finds none left.

    Each batch commits by itself: whoever is interrupted goes on where it ended.
    """
    done = 0
    while done < MOST_AT_ONCE:
        some = prune_stale(before, _BATCH)
        done += some
        if not some:
            break
    if done:
        audit(by, "prune_unseen", subject=f"push before {before:%Y-%m-%d}", planned=done, done=done)
    return done
