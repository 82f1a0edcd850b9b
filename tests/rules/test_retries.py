"""When to try again."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import ProviderError, ProviderUnavailable, RateLimited, TemporaryFailure, UnknownOutcome
from notifications.rules.retries import (
    BUDGET,
    LONGEST_RETRY_AFTER,
    RATE_LIMITED,
    UNNAMED,
    USUAL,
    RetryBudget,
    RetryPolicy,
    account_pause,
)

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
    least, ceiling = retry_after or 0.0, 2.0 * 2**retries
    most = max(ceiling, min(2 * least, least + ceiling, LONGEST_RETRY_AFTER))
    assert least - 1e-6 <= delay.total_seconds() <= most + 1e-6


@pytest.mark.parametrize("retry_after", [1e9, 1e12, 1e300, float("inf")])
def test_a_retry_after_of_centuries_is_a_day(retry_after: float) -> None:
    assert POLICY.delay(0, retry_after, Highest()) == timedelta(seconds=LONGEST_RETRY_AFTER)


@given(
    st.integers(0, 7),
    st.none() | st.floats(0, 86_400),
    st.floats(0.001, 100_000),
    st.randoms(use_true_random=False),
)
def test_a_retry_comes_before_the_expiry_unless_the_provider_forbids_it(
    retries: int, retry_after: float | None, left: float, draw: random.Random
) -> None:
    delay = POLICY.delay(retries, retry_after, draw, timedelta(seconds=left))
    assert delay is not None
    least = retry_after or 0.0
    assert delay.total_seconds() >= least - 1e-6
    if left > least + 0.001:
        assert delay.total_seconds() <= left + 1e-6


def test_what_is_over_already_is_given_no_other_time() -> None:
    assert POLICY.delay(0, None, Highest(), timedelta(seconds=-1)) == timedelta(seconds=2)


def test_those_told_the_same_moment_do_not_come_back_in_it() -> None:
    draw = random.Random(1)
    delays = {POLICY.delay(0, 60.0, draw) for _ in range(100)}
    assert len(delays) > 90


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_budget_is_a_share_of_first_attempts_and_a_little(firsts: int, failed: int) -> None:
    budget = RetryBudget(share=0.2, least=20)
    assert 0 <= budget.left(firsts, failed) <= 20 + 0.2 * firsts
    assert budget.left(firsts, failed) + failed >= min(failed, 20 + int(0.2 * firsts))


def test_the_budget_in_numbers() -> None:
    assert BUDGET.left(0, 0) == 20
    assert BUDGET.left(1_000, 0) == 220
    assert BUDGET.left(1_000, 220) == 0
    later = {BUDGET.later(random.Random(seed)) for seed in range(50)}
    assert len(later) == 50
    assert all(timedelta(seconds=5) <= wait <= timedelta(seconds=15) for wait in later)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (None, None),
        (UnknownOutcome("a"), None),
        (ProviderUnavailable("a"), None),
        (TemporaryFailure("a", retry_after=5.0), None),
        (TemporaryFailure("a", retry_after=5.0, whole_account=True), 5.0),
        (RateLimited("a", retry_after=7.0), 7.0),
        (RateLimited("a", retry_after=7.0, whole_account=False), None),
        (RateLimited("a", retry_after=1e9), LONGEST_RETRY_AFTER),
        (RateLimited("a"), UNNAMED),
    ],
)
def test_when_an_account_pauses(error: ProviderError | None, seconds: float | None) -> None:
    assert account_pause(error) == seconds


def test_workers_do_not_come_back_together() -> None:
    draw = random.Random(1)
    assert len({POLICY.delay(3, None, draw) for _ in range(100)}) > 90
