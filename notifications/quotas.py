"""Quotas: how often each caller may ask within a window, counted in Redis, whose clock is everybody's.

Losing Redis loses no more than the counts: while it is away everybody is let through.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from .conf_api import Quota

logger = logging.getLogger("notifications.quotas")

_KEY = "carillon:quota:%d:%s"
# Answers: how many were asked for in this window, this one included, and the ms until it ends.
_SCRIPT = """
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[1])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {count, left}
"""
# A Redis that hangs must not cost every request its time-out.
_REST_SECONDS = 2.0


@dataclass(frozen=True)
class Left:
    """What a caller has left of a quota; `reset` is the seconds until all of it is there again."""

    quota: Quota
    used: int
    reset: float

    @property
    def allowed(self) -> bool:
        """Whether the request that asked may be answered."""
        return self.used <= self.quota.requests

    @property
    def remaining(self) -> int:
        """How many more may come in this window."""
        return max(0, self.quota.requests - self.used)


class Counter:
    """Counts what callers ask for; safe to share between threads."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._resting_until = 0.0

    def take(self, caller: str, quota: Quota) -> Left | None:
        """Count one request of a caller and return what is left; None where Redis is away, and nobody is counted."""
        if time.monotonic() < self._resting_until:
            return None
        try:
            raw = self._script([_KEY % (quota.seconds, caller)], [quota.seconds * 1_000])
        except RedisError as error:
            self._resting_until = time.monotonic() + _REST_SECONDS
            logger.warning("requests are not counted: %s", type(error).__name__)
            return None
        count, left = cast("list[int]", raw)
        return Left(quota, int(count), int(left) / 1_000)
