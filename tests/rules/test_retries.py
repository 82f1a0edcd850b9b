"""When to try again."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.retries import LONGEST_RETRY_AFTER, RATE_LIMITED, USUAL, RetryPolicy

POLICY = RetryPolicy(most=8, first=2.0, cap=900.0)


class Highest(random.Random):
    """Draws the highest value."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(
    ("retries", "seconds"),
    [
        pytest.param(0, 2, id="the first"),
        pytest.param(1, 4, id="doubles"),
        pytest.param(7, 256, id="the last"),
    ],
)
def test_the_ceiling_doubles(retries: int, seconds: float) -> None:
    assert POLICY.delay(retries, None, Highest()) == timedelta(seconds=seconds)


def test_the_ceiling_is_capped() -> None:
    assert RetryPolicy(most=99, first=2.0, cap=900.0).delay(60, None, Highest()) == timedelta(seconds=900)


@pytest.mark.parametrize("policy", [USUAL, RATE_LIMITED, POLICY])
def test_retries_end(policy: RetryPolicy) -> None:
    assert policy.delay(policy.most - 1, None, Highest()) is not None
    assert policy.delay(policy.most, None, Highest()) is None
    assert policy.delay(policy.most, 5.0, Highest()) is None
    assert policy.delay(policy.most + 1, None, Highest()) is None


@given(st.integers(0, 7), st.none() | st.floats(0, 86_400), st.randoms(use_true_random=False))
def test_never_before_the_retry_after_and_never_beyond_the_ceiling(
    retries: int, retry_after: float | None, draw: random.Random
) -> None:
    delay = POLICY.delay(retries, retry_after, draw)
    assert delay is not None
    # A timedelta counts in microseconds.
    least, most = retry_after or 0.0, max(2.0 * 2**retries, retry_after or 0.0)
    assert least - 1e-6 <= delay.total_seconds() <= most + 1e-6


@pytest.mark.parametrize("retry_after", [1e9, 1e12, 1e300, float("inf")])
def test_a_retry_after_of_centuries_is_a_day(retry_after: float) -> None:
    assert POLICY.delay(0, retry_after, Highest()) == timedelta(seconds=LONGEST_RETRY_AFTER)


def test_workers_do_not_come_back_together() -> None:
    draw = random.Random(1)
    assert len({POLICY.delay(3, None, draw) for _ in range(100)}) > 90
