"""How fast an account may send: groups and claims that fit its rate, when those behind come due, and a bucket.

A rate grows (doubles each second) after an outage, a pause, or the loss of Redis; None means without a limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

GROUP_SHARE = 0.05
"""Seconds' worth of messages that go as one group; the bucket holds no more, so that nothing bunches up."""
CLAIM_SHARE = 0.5
"""Seconds' worth of messages that one claim holds: a worker is back at more urgent work soon."""
LARGEST_PACED_GROUP = 64
"""Of an account with a rate: more than a worker hands over before its turn grows old."""
FULL_RATE = 4096.0
"""Where growth ends for an account without a limit: more than a host of workers sends."""
FIRST_RATE = 1.0
LONGEST_WAIT = 300.0
"""What waits behind others is looked at again after this long, whatever the queue: rates change."""


@dataclass(frozen=True)
class Turn:
    """What an account may send now.

    `granted` messages may go at once; where that is 0 though some were wanted, it makes sense to ask again in `wait`
    seconds. `rate` is in messages a second, None without a limit. `queue` counts those that wait behind; the rest is
    what the retry budget goes by.
    """

    granted: int
    wait: float = 0.0
    paused: bool = False
    rate: float | None = None
    firsts: int = 0
    failed_retries: int = 0
    queue: int = 0


@dataclass(frozen=True)
class Report:
    """What became of a group: `pause` in seconds where the account was asked to wait, negative for an unnamed time."""

    good: int = 0
    bad: int = 0
    firsts: int = 0
    failed_retries: int = 0
    pause: float | None = None
    unused: int = 0
    total: int = 0


@dataclass(frozen=True)
class Bucket:
    """A token bucket as a value, for a worker that cannot reach Redis; seconds on any one clock."""

    tokens: float = 1.0
    at: float = 0.0

    def take(self, wanted: int, rate: float, now: float) -> tuple[Bucket, int, float]:
        """Return (the bucket afterwards, messages that may go, seconds until they may where none may)."""
        room = max(1.0, GROUP_SHARE * rate)
        tokens = min(room, self.tokens + max(0.0, now - self.at) * rate)
        needed = min(wanted, int(room))
        if needed < 1:
            return replace(self, tokens=tokens, at=now), 0, max(0.0, 1.0 - tokens) / rate
        if tokens + 1e-9 < needed:
            return replace(self, tokens=tokens, at=now), 0, (needed - tokens) / rate
        return replace(self, tokens=tokens - needed, at=now), needed, 0.0


def group_size(rate: float | None, most: int) -> int:
    """Return how many messages go as one group."""
    return most if rate is None else max(1, min(most, LARGEST_PACED_GROUP, int(GROUP_SHARE * rate)))


def claim_size(rate: float | None, most: int) -> int:
    """Return how many messages one claim may hold."""
    return most if rate is None else max(1, min(most, int(CLAIM_SHARE * rate)))


def grown(first: float, seconds: float, limit: float | None) -> float | None:
    """Return the rate after some seconds of doubling, and the limit (or None) once it is reached."""
    rate = first * 2.0 ** max(0.0, min(seconds, 40.0))
    return limit if rate >= (limit or FULL_RATE) else rate


def wait_behind(position: float, rate: float | None, limit: float | None) -> float:
    """Return in how many seconds the message behind `position` others may go, at a rate that grows to the limit."""
    ceiling = limit or FULL_RATE
    rate = ceiling if rate is None else min(rate, ceiling)
    # What goes while the rate still doubles, and the rest behind it.
    growing = min(position, (ceiling - rate) / math.log(2))
    wait = math.log2(1.0 + growing * math.log(2) / rate) + (position - growing) / ceiling
    return min(LONGEST_WAIT, wait)
