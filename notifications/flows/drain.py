"""Drain: claim and deliver what is due on a channel, most urgent lane first, for as long as a worker may."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial

from .. import conf
from ..enums import Channel, Lane
from ..models import Delivery
from ..wakeups import forget, other_work_waits, waiting, wake
from . import gate
from .campaigns import claim_next, stay
from .claim import claim
from .deliver import deliver
from .gathering import Gathering, trickles
from .stopping import stopping

_ALL_LANES = tuple(Lane)
_LONGEST_SECONDS = 30.0
_MOMENT_SECONDS = 1.0


def drain(channel: Channel, worker: str, served: Collection[Channel]) -> int:
    """Deliver what is due on a channel and return how many deliveries were claimed.

    The wake-up's key is deleted before the first claim, so that whatever is committed from now on wakes the next
    drain. After a second it makes way for another served channel that has work, and for a broadcast that is to be
    planned: else both workers would send all that is planned, and one of them idle while the other plans again.
    """
    forget(channel)
    began = time.monotonic()
    done = enough = 0
    gathering = Gathering(channel, worker)
    while not stopping.is_set():
        claimed = claim_next(channel, worker, served, most=enough)
        if not claimed.due:
            may_wait = enough and not gate.paused_until(channel) and time.monotonic() - began < _LONGEST_SECONDS
            if gathering.end() or (may_wait and _soon_due(channel, served)):
                continue
            return done
        done += claimed.due
        enough = claimed.enough
        if claimed.due >= conf.CLAIM_SIZE:
            gathering.end()
            wake(channel)  # there is more than one worker can hold: another may help
        if claimed.batch is not None:
            deliver(claimed.batch, partial(serve_urgent, claimed.batch.deliveries[0].lane, worker, served))
        passed = time.monotonic() - began
        if passed > _LONGEST_SECONDS or (passed > conf.DRAIN_SECONDS and _others_wait(channel, served)):
            gathering.end()
            # One that waits already is enough: what this one makes way for must not wait behind more and more of them.
            wake(channel, force=passed > _LONGEST_SECONDS)
            return done
        if trickles(claimed) and not _others_wait(channel, served) and not gathering.wait():
            return done
    wake(channel, force=True)
    return done


def serve_urgent(lane: int, worker: str, served: Collection[Channel]) -> bool:
    """Deliver what is more urgent than a lane, on every channel the worker serves; return False when it must stop."""
    stay(worker)
    lanes = [item for item in _ALL_LANES if item < lane]
    if lanes and not stopping.is_set():
        for channel in _urgent_channels(lanes, served):
            claimed = claim(channel, lanes, worker, most=conf.START_GROUP)
            if claimed.batch is not None:
                deliver(claimed.batch, partial(serve_urgent, claimed.batch.deliveries[0].lane, worker, served))
    return not stopping.is_set()


def _soon_due(channel: Channel, served: Collection[Channel]) -> bool:
    """Wait for what is due within a moment, since its account is paced; False if nothing is, or others have work."""
    wait = Delivery.objects.next_due(channel)
    if wait is None or wait > _MOMENT_SECONDS or _others_wait(channel, served):
        return False
    stopping.wait(max(0.05, min(wait, _MOMENT_SECONDS / 4)))
    return True


def _urgent_channels(lanes: Sequence[int], served: Collection[Channel]) -> list[Channel]:
    due = Delivery.objects.channels_due(served, lanes)
    return [channel for channel in served if channel in due]


def _others_wait(channel: Channel, served: Collection[Channel]) -> bool:
    return other_work_waits(channel) or any(waiting(other) for other in served if other != channel)
