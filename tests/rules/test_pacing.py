"""How fast an account may send."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.pacing import (
    FULL_RATE,
    GROUP_SHARE,
    LONGEST_WAIT,
    Bucket,
    claim_size,
    group_size,
    grown,
    wait_behind,
)

RATES = st.sampled_from([0.1, 1.0, 7.0, 40.0, 500.0, 5_000.0])


@given(RATES, st.lists(st.tuples(st.integers(0, 80), st.floats(0, 3)), max_size=60))
def test_a_bucket_never_grants_more_than_the_rate(rate: float, steps: list[tuple[int, float]]) -> None:
    bucket, now, used = Bucket(), 0.0, 0
    for wanted, passed in steps:
        now += passed
        bucket, granted, wait = bucket.take(wanted, rate, now)
        used += granted
        assert granted <= wanted
        assert used <= rate * now + max(1.0, GROUP_SHARE * rate) + 1e-6
        assert wait >= 0


@given(RATES, st.integers(1, 64))
def test_whoever_waits_as_long_as_told_is_served(rate: float, wanted: int) -> None:
    bucket, granted, wait = Bucket(tokens=0.0).take(wanted, rate, 0.0)
    assert granted == 0
    _, granted, _ = bucket.take(wanted, rate, wait + 1e-6)
    assert granted > 0


def test_a_clock_that_runs_backwards_makes_no_tokens() -> None:
    bucket, _, _ = Bucket(tokens=1.0, at=100.0).take(1, 10.0, 100.0)
    assert bucket.take(1, 10.0, 50.0)[1] == 0


@pytest.mark.parametrize(
    ("rate", "group", "claimed"),
    [(None, 250, 500), (0.1, 1, 1), (1.0, 1, 1), (20.0, 1, 10), (100.0, 5, 50), (1_000.0, 50, 500), (9_999.0, 64, 500)],
)
def test_groups_and_claims_fit_the_rate(rate: float | None, group: int, claimed: int) -> None:
    assert (group_size(rate, 250), claim_size(rate, 500)) == (group, claimed)


def test_a_group_is_no_larger_than_it_may_be() -> None:
    assert [group_size(rate, 3) for rate in (None, 20.0, 9_999.0)] == [3, 1, 3]


def test_a_rate_doubles_each_second_until_the_limit() -> None:
    assert grown(1.0, 0, None) == 1
    assert grown(1.0, 3, None) == 8
    assert grown(1.0, 3, 5.0) == 5
    assert grown(1.0, 12, None) is None
    assert grown(1.0, 1e9, None) is None


@given(st.floats(0.1, 3_000), st.none() | st.floats(0.1, 3_000), st.integers(0, 100_000), st.integers(1, 100))
def test_those_behind_wait_longer_and_never_too_long(
    rate: float, limit: float | None, position: int, more: int
) -> None:
    wait, later = wait_behind(position, rate, limit), wait_behind(position + more, rate, limit)
    assert 0 <= wait <= later <= LONGEST_WAIT


@given(st.floats(0.5, 100), st.floats(100, 3_000), st.integers(1, 5_000))
def test_so_many_fit_into_the_wait(rate: float, limit: float, position: int) -> None:
    wait, step, sent, at = wait_behind(position, rate, limit), 0.001, 0.0, 0.0
    if wait >= LONGEST_WAIT:
        return
    while at < wait:
        sent += step * min(limit, rate * 2.0 ** min(at, 40.0))
        at += step
    assert math.isclose(sent, position, rel_tol=0.02, abs_tol=limit * step * 2)


def test_without_any_rate_nobody_waits_long() -> None:
    assert wait_behind(0, None, None) == 0
    assert wait_behind(FULL_RATE, None, None) == 1
