"""Judge broadcasts: stop one of which too much fails, or too many complain, before the rest goes the same way."""

from __future__ import annotations

import time
from uuid import UUID

from django.db import transaction

from .. import conf
from ..enums import BroadcastStatus
from ..models import Broadcast
from ..rules.excess import Judged, excess
from .guarded import guarded
from .status import Progress, progress_of
from .stop import stop

_GOING_ON = (BroadcastStatus.PLANNING, BroadcastStatus.SENDING)
_EVERY_SECONDS = 10.0
#: Counting takes at most this share of a sweeper's time: what takes long is asked less often.
_SHARE = 0.05
_next_look: dict[UUID, float] = {}


def counts_of(made: Broadcast) -> Judged:
    """Return what a broadcast is judged by."""
    return judged_by(progress_of([made])[made.pk])


def judged_by(progress: Progress) -> Judged:
    """Return what a broadcast with this progress is judged by."""
    counts = progress.counts
    settled = (counts.skipped, counts.cancelled, counts.expired, counts.digested)
    return Judged(
        tried=counts.planned - counts.waiting - counts.uncertain - sum(settled),
        failed=counts.failed + counts.dead,
        complaints=progress.complaints,
    )


def judge_broadcasts() -> None:
    """Look at every broadcast that is under way, each as often as it is cheap enough to count."""
    limits = conf.get().broadcasts
    if limits.most_failed is None and limits.most_complaints is None:
        return
    # Without whom they are for: lists of up to 100,000, every two seconds.
    going_on = Broadcast.objects.filter(status__in=_GOING_ON, started_at__isnull=False).defer("audience", "exclude")
    found = {made.pk: made for made in going_on}
    for key in _next_look.keys() - found.keys():
        del _next_look[key]
    for key, made in found.items():
        began = time.monotonic()
        if began < _next_look.get(key, 0.0):
            continue
        _next_look[key] = began + _EVERY_SECONDS
        with guarded(f"judging broadcast {key}"):
            judge(made)
            taken = time.monotonic() - began
            _next_look[key] = began + max(_EVERY_SECONDS, taken / _SHARE)


def judge(made: Broadcast) -> bool:
    """Stop a broadcast if what failed, or was complained of, since somebody last let it go on passes a limit."""
    limits = conf.get().broadcasts
    counts = counts_of(made).since(Judged(**(made.judged_from or {})))
    why = excess(counts, limits.most_failed, limits.most_complaints, limits.judged_from)
    if not why:
        return False
    with transaction.atomic():
        # A person may have paused, resumed or cancelled it meanwhile: then it is theirs, or judged anew.
        going_on = Broadcast.objects.filter(pk=made.pk, status__in=_GOING_ON).defer("audience", "exclude")
        locked = going_on.select_for_update().first()
        if locked is None or locked.judged_from != made.judged_from:
            return False
        stop(locked, "broadcast_failing", why)
    return True
