"""When to try again: exponential with full jitter, capped, never before the provider's Retry-After."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how far apart; seconds."""

    most: int = 8
    first: float = 2.0
    cap: float = 900.0

    def delay(self, retries: int, retry_after: float | None, draw: random.Random) -> timedelta | None:
        """Return how long to wait before retry number `retries` + 1, or None when no retry is left."""
        if retries >= self.most:
            return None
        ceiling = min(self.cap, self.first * 2**retries)
        wait = draw.uniform(0, ceiling)
        # Whatever a provider asks for, it is asked again after a day at the latest.
        return timedelta(seconds=max(wait, min(retry_after or 0.0, LONGEST_RETRY_AFTER)))


USUAL = RetryPolicy()
RATE_LIMITED = RetryPolicy(most=20, first=5.0)
RATE_LIMITED_AT_LEAST = 1.0
LONGEST_RETRY_AFTER = 86_400.0
