"""How a category limits itself: "5/hour", "hourly" or "daily 09:00" for what is beyond, and how soon it may forget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from functools import lru_cache

_THROTTLE = re.compile(r"([1-9][0-9]{0,3})/(minute|hour|day)")
_DAILY = re.compile(r"daily (([01][0-9]|2[0-3]):[0-5][0-9])")
HOURLY = "hourly"
#: A row is what a late receipt, a repeated plan and a question to support find: none goes before this is over.
LEAST_RETENTION = timedelta(days=7)


@dataclass(frozen=True)
class Throttle:
    """At most `most` notifications per recipient, category and channel in each "minute", "hour" or "day".

    Minutes and hours are those of UTC, days the recipient's own.
    """

    most: int
    per: str


@dataclass(frozen=True)
class Schedule:
    """When a digest goes out: at every full hour of UTC, or daily at a time of the recipient's own clock.

    In Kathmandu, 5:45 ahead, every full hour of UTC is a quarter to.
    """

    daily: time | None = None


@lru_cache(maxsize=64)
def parse_throttle(text: str) -> Throttle | None:
    """Return a throttle as declared ("5/hour"), or None for an empty one.

    Raises:
        ValueError: it has another shape; the text says which it should have.
    """
    if not text:
        return None
    match = _THROTTLE.fullmatch(text)
    if match is None:
        raise ValueError('must be a number from 1 to 9999 per minute, hour or day, such as "5/hour"')
    return Throttle(int(match[1]), match[2])


@lru_cache(maxsize=64)
def parse_digest(text: str) -> Schedule | None:
    """Return a digest schedule as declared ("hourly" or "daily 09:00"), or None for an empty one.

    Raises:
        ValueError: it has another shape; the text says which it should have.
    """
    if not text:
        return None
    if text == HOURLY:
        return Schedule()
    match = _DAILY.fullmatch(text)
    if match is None:
        raise ValueError('must be "hourly" or a time of day such as "daily 09:00"')
    return Schedule(time.fromisoformat(match[1]))


def patience_within(patience: timedelta, ttl: timedelta | None) -> timedelta:
    """Return how long a channel is waited for: never more than half of the time that a message is of use."""
    return min(patience, ttl / 2) if ttl else patience
