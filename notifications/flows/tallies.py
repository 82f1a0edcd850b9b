"""Tallies: add up what workers counted, batch by batch, and let what is old grow coarse. The sums never change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

from ..models import Broadcast, Tally
from ..rules.identity import bounds_of
from .time_box import turns

_BATCH = 5_000
#: After this nobody asks any more how fast a broadcast was at the time.
_RATE_KEPT = timedelta(minutes=5)
#: Traffic is kept by the minute for so long, then by the hour.
MINUTES_KEPT = timedelta(days=8)
HOURS_KEPT = timedelta(days=400)


def add_up() -> None:
    """Add up the tallies that workers wrote since the last time."""
    _all_of(lambda: Tally.objects.add_up(_BATCH))
    _all_of(lambda: Tally.objects.fold_broadcasts(_RATE_KEPT, _BATCH))


def grow_coarse() -> None:
    """Let minutes of long ago become hours, and forget hours of very long ago."""
    _all_of(lambda: Tally.objects.fold_traffic(MINUTES_KEPT, _BATCH))
    _all_of(lambda: Tally.objects.forget_traffic(HOURS_KEPT, _BATCH))


def tally_older() -> None:
    """Tally what is over and was launched by a release without tallies, one broadcast after the other.

    What still goes on may be worked on by such a release, whose changes would be missing: it is counted until it ends.
    """
    older = Broadcast.objects.filter(tallied=False, outcome__isnull=True, finished_at__isnull=False).order_by("pk")
    for _ in turns():
        with transaction.atomic():
            made = older.select_for_update(skip_locked=True).first()
            if made is None:
                return
            Tally.objects.recount(made.notification_id, *bounds_of([made.notification_id]))
            made.tallied = True
            made.save(update_fields=["tallied"])


def _all_of(some: Callable[[], int]) -> None:
    for _ in turns():
        if some() < _BATCH:
            return
