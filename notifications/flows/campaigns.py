"""Campaigns: only a share of a channel's workers sends or plans them at a time, so that others find a free one.

With few workers the share is all of them: then it is the time box and the look between groups of sends by which more
urgent work goes first. What counts as a campaign is the bulk lane, and planning a broadcast of any lane.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .. import conf, places
from ..enums import Channel, Lane
from ..places import Answer, How
from ..wakeups import ALIVE_SECONDS, connection, workers_key
from .claim import Claimed, claim

_ALL_LANES = tuple(Lane)
_URGENT_LANES = tuple(lane for lane in Lane if lane != Lane.BULK)
_RENEW_SECONDS = 1.0
_KNOWN_SECONDS = 5.0


class _Here(NamedTuple):
    """What this process knows of its own place: whose it is, when it was told so, and what it was told."""

    worker: str
    channels: tuple[Channel, ...]
    at: float
    answer: Answer


_here: _Here | None = None


def claim_next(channel: Channel, worker: str, served: Collection[Channel], *, most: int) -> Claimed:
    """Claim what is due in a channel's most urgent lane; of the bulk lane only with a place, where there is a limit."""
    if not _is_limited(worker, served):
        return claim(channel, _ALL_LANES, worker, most=most)
    claimed = claim(channel, _URGENT_LANES, worker, most=most)
    if claimed.due or not _take(worker, served, How.ASK):
        return claimed
    return claim(channel, (Lane.BULK,), worker, most=most)


def stay(worker: str) -> None:
    """Renew this worker's place, if it has one that was not renewed for a second."""
    if _here is not None and _here.worker == worker and _here.answer is Answer.TAKEN and _age(_here) > _RENEW_SECONDS:
        _take(worker, _here.channels, How.INSIST)


def leave(worker: str) -> None:
    """Give this worker's place to others, if it has one."""
    global _here  # noqa: PLW0603 - a process has one place
    if _here is not None and _here.worker == worker and _here.answer is Answer.TAKEN:
        places.leave(connection(_here.channels[0]), _here.channels, worker)
        _here = None


@contextmanager
def planning(worker: str, served: Collection[Channel]) -> Iterator[None]:
    """Plan a broadcast: that takes a place without asking, and another worker stops sending campaigns for it."""
    if _is_limited(worker, served):
        _take(worker, served, How.INSIST)
    try:
        yield
    finally:
        leave(worker)


def _is_limited(worker: str, served: Collection[Channel]) -> bool:
    """Whether there is a limit at all: with few workers there is none, and that is asked every few seconds only."""
    if conf.get().broadcasts.worker_share in (None, 1) or not served:
        return False
    has_place = _here is not None and _here.answer is Answer.TAKEN
    if _here is None or _here.worker != worker or (not has_place and _age(_here) > _KNOWN_SECONDS):
        _take(worker, served, How.LOOK)
    return _here is not None and _here.answer is not Answer.NO_LIMIT


def _take(worker: str, served: Collection[Channel], how: How) -> bool:
    global _here  # noqa: PLW0603 - a process has one place
    channels = tuple(served)
    share = conf.get().broadcasts.worker_share or 1.0
    keys = {channel.value: workers_key(channel) for channel in channels}
    answer = places.take(connection(channels[0]), keys, worker, share, ALIVE_SECONDS, how)
    _here = _Here(worker, channels, time.monotonic(), answer)
    return answer is not Answer.FULL


def _age(here: _Here) -> float:
    return time.monotonic() - here.at
