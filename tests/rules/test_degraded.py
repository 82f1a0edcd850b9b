"""Whether a provider that takes messages still delivers them."""

from __future__ import annotations

import pytest

from notifications.conf import RouteEntry
from notifications.rules.degraded import Minute, another_takes_over, judge

CLOSED = 10_000
DAY = {CLOSED - 60 - minute: Minute(10, 9) for minute in range(600)}


def degraded(now: dict[int, Minute], *, usual: dict[int, Minute] = DAY, since: int = 0) -> bool | None:
    """Return the verdict on the latest minutes, or None without one."""
    verdict = judge({**usual, **now}, CLOSED, since)
    return verdict.degraded if verdict else None


def spread(sent: int, delivered: int, minutes: int = 5) -> dict[int, Minute]:
    """Return the latest minutes with this much in each."""
    return {CLOSED - minute: Minute(sent, delivered) for minute in range(minutes)}


def test_a_share_that_falls_below_half_of_what_is_usual() -> None:
    assert degraded(spread(20, 18)) is False
    assert degraded(spread(20, 10)) is False
    assert degraded(spread(20, 8)) is True
    assert degraded(spread(20, 0)) is True
    verdict = judge({**DAY, **spread(20, 0)}, CLOSED, 0)
    assert verdict is not None
    assert (verdict.share, round(verdict.usual, 3), verdict.sent) == (0.0, 0.9, 100)


def test_too_little_to_tell() -> None:
    assert degraded({}) is None
    assert degraded(spread(1, 0)) is None
    assert degraded(spread(20, 0), usual={}) is None
    assert degraded(spread(20, 0), usual={CLOSED - 60: Minute(99, 90)}) is None
    assert degraded(spread(20, 0), usual={CLOSED - 60 - 24 * 60: Minute(5_000, 4_500)}) is None, "two days old"


def test_a_quiet_provider_is_judged_over_a_longer_window() -> None:
    assert degraded(spread(2, 0, minutes=14)) is None
    assert degraded(spread(2, 0, minutes=15)) is True
    # Where there is enough, the trouble of half an hour ago is over.
    assert degraded({**spread(20, 0, minutes=20), **spread(20, 18)}) is False


def test_without_callbacks_there_is_nothing_to_compare_with() -> None:
    silent = {minute: Minute(10, 1) for minute in DAY}
    assert degraded(spread(20, 0), usual=silent) is None


def test_chance_is_no_degradation() -> None:
    rare = {minute: Minute(10, 3) for minute in DAY}
    assert degraded(spread(6, 0), usual=rare) is True
    assert degraded({CLOSED: Minute(30, 4)}, usual=rare) is False


def test_after_a_hold_only_what_was_sent_since_counts() -> None:
    outage = spread(20, 0, minutes=20)
    assert degraded(outage, since=CLOSED - 20) is True
    assert degraded(outage, since=CLOSED) is None


@pytest.mark.parametrize(
    ("others", "held", "expected"),
    [
        ([], [], False),
        ([RouteEntry("b")], [], True),
        ([RouteEntry("b")], ["b"], False),
        ([RouteEntry("b", countries=("49",))], [], False),
        ([RouteEntry("b", platforms=("ios",))], [], False),
        ([RouteEntry("b", countries=("49",)), RouteEntry("c")], ["b"], True),
    ],
)
def test_another_provider_takes_over(others: list[RouteEntry], held: list[str], expected: bool) -> None:
    assert another_takes_over([RouteEntry("a"), *others], "a", held) is expected


def test_a_provider_of_some_countries_is_replaced_by_one_of_the_same() -> None:
    mine = RouteEntry("a", countries=("49",))
    assert another_takes_over([mine, RouteEntry("b", countries=("43", "49"))], "a", [])
    assert not another_takes_over([mine, RouteEntry("b", countries=("43",))], "a", [])
    assert not another_takes_over([RouteEntry("b")], "a", [])
