"""When to try again: exponential with full jitter, capped, never before the provider's Retry-After, within a budget."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from ..exceptions import ProviderError, TemporaryFailure


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how far apart; seconds."""

    most: int = 8
    first: float = 2.0
    cap: float = 900.0

    def delay(
        self, retries: int, retry_after: float | None, draw: random.Random, left: timedelta | None = None
    ) -> timedelta | None:
        """Return how long to wait before retry number `retries` + 1, or None when no retry is left.

        `left` is the rest of the time to live: the retry comes before its end, unless Retry-After forbids that. It
        then ends `expired`.
        """
        if retries >= self.most:
            return None
        wait = draw.uniform(0, min(self.cap, self.first * 2**retries))
        # Whatever a provider asks for, it is asked again after a day at the latest.
        least = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        # Those who were told the same moment do not all come back in it.
        wait = max(wait, min(least + min(wait, least), LONGEST_RETRY_AFTER))
        if left is not None and wait >= left.total_seconds() > least:
            wait = draw.uniform(least, least + _OF_WHAT_IS_LEFT * (left.total_seconds() - least))
        return timedelta(seconds=wait)


@dataclass(frozen=True)
class RetryBudget:
    """How many retries a provider gets beside first attempts, so that one that is half broken gets no storm.

    Counted over a rolling window. A retry that succeeds costs nothing: what waits after an outage is soon sent.
    """

    share: float = 0.2
    least: int = 20
    window: float = 10.0

    def left(self, firsts: int, failed_retries: int) -> int:
        """Return how many retries may go now, given what was sent within the window."""
        return max(0, self.least + int(self.share * firsts) - failed_retries)

    def later(self, draw: random.Random) -> timedelta:
        """Return how long a retry beyond the budget waits; it uses up none."""
        return timedelta(seconds=draw.uniform(0.5 * self.window, 1.5 * self.window))


def account_pause(error: ProviderError | None) -> float | None:
    """Return for how many seconds nothing may be sent through the account: None if it may, UNNAMED if nobody said."""
    if not isinstance(error, TemporaryFailure) or not error.whole_account:
        return None
    return UNNAMED if error.retry_after is None else min(error.retry_after, LONGEST_RETRY_AFTER)


USUAL = RetryPolicy()
RATE_LIMITED = RetryPolicy(most=20, first=5.0)
RATE_LIMITED_AT_LEAST = 1.0
LONGEST_RETRY_AFTER = 86_400.0
UNNAMED = -1.0
BUDGET = RetryBudget()
_OF_WHAT_IS_LEFT = 0.9
