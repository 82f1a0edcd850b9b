"""The judge's arithmetic finds what is doctored into its inputs."""

from __future__ import annotations

import pytest

from tests.benchmarks.judging import compare, median_ratio, percentile, rate, spread


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([5.0], 0.5, 5.0),
        ([5.0], 0.99, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 102)], 0.99, 100.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    values: list[float], share: float, wanted: float
) -> None:
    assert percentile(values, share) == wanted


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_one_slow_request_of_a_hundred_shows_in_the_99th_percentile_of_fewer_only() -> None:
    assert percentile([0.01] * 99 + [9.0], 0.99) == 0.01
    assert percentile([0.01] * 98 + [9.0], 0.99) == 9.0


def test_the_spread_keeps_every_measurement() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "least": 1.0, "most": 3.0, "all": [3.0, 1.0, 2.0]}


def test_ratios_are_taken_pair_by_pair() -> None:
    # A machine that was slow for a while was slow for both: the ratio of medians would say 5.
    assert median_ratio([(10.0, 2.0), (1.0, 0.2), (12.0, 2.4)]) == pytest.approx(5.0)
    assert median_ratio([(10.0, 1.0), (1.0, 0.5), (2.0, 1.0)]) == 2.0


def test_a_rate_counts_from_the_first_to_the_last() -> None:
    assert rate([10.0, 10.5, 11.0, 12.0]) == 1.5
    assert rate([12.0, 10.0, 11.0]) == 1.0
    assert rate([10.0]) == rate([]) == rate([10.0, 10.0]) == 0.0


def test_everybody_once_is_exact() -> None:
    found = compare(["a", "b", "c"], ["c", "a", "b"])
    assert found.exact
    assert found.wrong == 0


@pytest.mark.parametrize(
    ("came", "missing", "unasked", "repeated"),
    [
        (["a", "b"], 1, 0, 0),
        (["a", "b", "c", "d"], 0, 1, 0),
        (["a", "b", "c", "c"], 0, 0, 1),
        (["a", "b", "d"], 1, 1, 0),  # the count alone is right
        (["a", "a", "b"], 1, 0, 1),
    ],
)
def test_every_recipient_is_compared(came: list[str], missing: int, unasked: int, repeated: int) -> None:
    found = compare(["a", "b", "c"], came)
    assert (found.missing, found.unasked, found.repeated) == (missing, unasked, repeated)
    assert found.wrong == missing + unasked + repeated
    assert not found.exact


def test_nobody_due_proves_nothing() -> None:
    assert not compare([], []).exact
