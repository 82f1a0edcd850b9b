"""Watch: once a minute, what no single message tells: shares that rise or fall, devices that nobody has seen, age."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from datetime import timedelta

from django.db.models.functions import Now

from .. import conf
from ..enums import Channel
from ..models import AddressTrouble, Delivery, PruningTally, Receipt
from ..models.deadlines import is_away
from ..rules.masking import unquoted
from ..rules.undelivered import UNREACHABLE_WITHIN, is_filtered_too_often
from . import health
from .alerts import raise_alert
from .degraded import watch_degraded
from .leftovers import forget_keys, forget_receipts
from .prune import prune_stale
from .retention import apply_retention
from .tallies import grow_coarse, tally_older
from .weeks import drop_weeks

logger = logging.getLogger("notifications.sweep")
_EVERY_SECONDS = 60.0
_STALE_BATCH = 1_000
_TIDY_BATCH = 1_000
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_watched_at = float("-inf")
_without_redis: frozenset[Channel] = frozenset()


def keep_watch() -> None:
    """Do what is due once a minute; one that fails keeps the others from nothing."""
    global _watched_at  # noqa: PLW0603 - the process's own memory of what is due once a minute
    if time.monotonic() - _watched_at < _EVERY_SECONDS:
        return
    _watched_at = time.monotonic()
    for duty in _DUTIES:
        try:
            duty()
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("sweep: %s failed", duty.__name__, exc_info=unquoted(error))


def watch_filters() -> None:
    """Raise an alert where content filters stop a good part of an hour's messages: somebody must look at the words."""
    for provider, filtered, total in Receipt.objects.filtered_of_late(_HOUR):
        if is_filtered_too_often(filtered, total):
            told = f"content filters stopped {filtered} of the last hour's {total} messages: look at their words"
            raise_alert("content_filtered", provider, told)


def prune_unseen() -> None:
    """Switch off devices that no app has registered for as long as the settings say; none unless they say so."""
    days = conf.get().stale_devices_days
    if days is not None:
        prune_stale(Delivery.objects.database_now() - timedelta(days=days), _STALE_BATCH)


def forget_counts() -> None:
    """Delete counts that nobody asks for any more."""
    tallies = PruningTally.objects.filter(slot__lt=Now() - _DAY)
    PruningTally.objects.filter(pk__in=list(tallies.values_list("pk", flat=True)[:_TIDY_BATCH])).delete()
    troubles = AddressTrouble.objects.filter(last_at__lt=Now() - UNREACHABLE_WITHIN)
    AddressTrouble.objects.filter(pk__in=list(troubles.values_list("pk", flat=True)[:_TIDY_BATCH])).delete()


def watch_backlog() -> None:
    """Raise an alert where something has been due for longer than its lane should wait."""
    limits = asdict(conf.get().alerts)
    for item in health.backlog():
        limit = limits[f"{item.lane.name.lower()}_seconds"]
        if limit is not None and item.age > limit:
            told = f"{item.depth} are due, the first for {item.age:.0f} s: are there enough workers, and is Redis well?"
            raise_alert("queue_late", f"{item.channel} {item.lane.name.lower()}", told)


def watch_dead() -> None:
    """Raise an alert where dead letters come faster than somebody can look at them; it names the commonest cause."""
    limit = conf.get().alerts.dead_per_hour
    count = health.died_within(_HOUR.total_seconds()) if limit is not None else 0
    if limit is not None and count >= limit:
        first = next(iter(health.dead_by_cause()), None)
        cause = " ".join(filter(None, (first.channel, first.provider, first.reason, first.code))) if first else ""
        raise_alert("dead_letters_grow", "dead letters", f"{count} died within an hour, most of them of: {cause}")


def watch_redis() -> None:
    """Raise an alert where a channel's Redis did not answer twice, a minute apart."""
    global _without_redis  # noqa: PLW0603 - what the last turn saw
    away = frozenset(channel for channel, waits in health.wakeups().items() if waits is None)
    for channel in sorted(away & _without_redis):
        raise_alert("redis_away", channel, "no worker is woken and no account is paced or guarded by its breaker")
    _without_redis = away


_DUTIES = (
    watch_backlog,
    watch_dead,
    watch_redis,
    watch_degraded,
    watch_filters,
    prune_unseen,
    forget_counts,
    grow_coarse,
    tally_older,
    forget_keys,
    forget_receipts,
    # Whole weeks first: what goes with them need not be deleted row by row.
    drop_weeks,
    apply_retention,
)
