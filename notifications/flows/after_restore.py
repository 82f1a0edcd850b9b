"""After a restore: doubt all that a backup knows as unsent and that may have gone out since, before a worker starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from ..enums import BroadcastStatus, Channel, Reason, State
from ..models import Broadcast, Delivery
from ..rules.identity import first_id_at
from ..wakeups import live_workers
from .operate import By, audit
from .restored import doubt, remember

#: What waits for one of these until later than the restore has waited in the other life of this database as well.
_WAITS_SURELY = (Reason.SCHEDULED, Reason.QUIET_HOURS, Reason.THROTTLED)
_UNDER_WAY = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING, BroadcastStatus.SENDING, BroadcastStatus.PAUSED)
_NOTE = "restored from a backup: it may have gone out since"


@dataclass(frozen=True)
class Suspects:
    """How many deliveries may have gone out since the backup, as it knows them, and which broadcasts go on."""

    waiting: int
    sending: int
    dead: int
    broadcasts: list[str]


class WorkersRun(Exception):
    """Workers serve a channel already: what they claim is not doubted any more."""


def suspects(until: datetime) -> Suspects:
    """Return what `doubt_all` would doubt for a restore at that moment."""
    waiting, sending, dead = (Delivery.objects.filter(condition).count() for condition in _conditions(until))
    unfinished = Broadcast.objects.filter(status__in=_UNDER_WAY).order_by("pk")
    return Suspects(waiting, sending, dead, [f"{made.pk} {made.status}" for made in unfinished])


def doubt_all(by: By, until: datetime, tell: Callable[[int], None]) -> int:
    """Doubt everything that may have gone out before `until`, and all that is planned again later; return how many.

    Doing it again adds nothing. `tell` is given the number so far, after each page.

    Raises:
        WorkersRun: a worker is alive.
    """
    if any(live_workers(channel) for channel in Channel):
        raise WorkersRun
    # First, so that whatever is planned meanwhile is doubted too.
    remember(until)
    done = 0
    for condition in _conditions(until):
        while page := doubt(condition, _NOTE, by.actor):
            done += page
            tell(done)
    audit(by, "after_restore", subject=until.isoformat(), done=done)
    return done


def _conditions(until: datetime) -> tuple[Q, Q, Q]:
    """Return what waited, what a worker held, and the dead letters that somebody may have replayed."""
    before = Q(pk__lt=first_id_at(until))
    certain = Q(maybe_sent=False, keyed_at=None)
    waited = Q(due_at__lte=until) | ~Q(reason__in=_WAITS_SURELY)
    return (
        before & certain & waited & Q(state=State.PENDING),
        before & Q(state=State.SENDING),
        before & certain & Q(state=State.DEAD),
    )
