"""The sentence that says how the service stands: the worst first, each with its reason, and none that is not true."""

from __future__ import annotations

import pytest

from notifications.enums import Family, Lane
from notifications.rules.overview import (
    FAILED_LEAST,
    LATE,
    LATE_URGENT,
    Carrier,
    ChannelFigures,
    Signals,
    duration,
    findings,
    quantile,
)


def told(*channels: ChannelFigures, swept: float | None = 1.0, **others: int) -> list[tuple[Family, str]]:
    return [(item.family, item.text) for item in findings(Signals(channels, swept, **others), 30.0)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("channel", "family", "part"),
    [
        (ChannelFigures("SMS", paused="a wrong text (root)"), Family.WAITING, "SMS is paused: a wrong text"),
        (ChannelFigures("SMS", route=[Carrier("a", "held")]), Family.FAILED, "no provider left (a: held)"),
        (ChannelFigures("SMS", route=[Carrier("a", "held"), Carrier("b")]), Family.WAITING, "b carries SMS"),
        (ChannelFigures("SMS", late={Lane.CRITICAL: 40, Lane.HIGH: 1}), Family.FAILED, "on SMS have been due for 40 s"),
        (ChannelFigures("SMS", late={Lane.HIGH: LATE_URGENT}), Family.REACHED, "longer than 30 s"),
        (
            ChannelFigures("SMS", late={Lane.NORMAL: 1, Lane.BULK: 360}),
            Family.WAITING,
            "behind: what has been due longest waits for 6 min",
        ),
        (ChannelFigures("SMS", late={Lane.NORMAL: 20, Lane.BULK: LATE}), Family.REACHED, "longer than 5 min"),
        (ChannelFigures("SMS", sent=9 * FAILED_LEAST, failed=FAILED_LEAST), Family.FAILED, "10% of what ended"),
        (ChannelFigures("SMS", sent=9 * FAILED_LEAST + 1, failed=FAILED_LEAST), Family.REACHED, "10.0% failed"),
        (ChannelFigures("SMS", sent=5, failed=FAILED_LEAST - 1), Family.REACHED, "79.2% failed"),
        (ChannelFigures("SMS", failed=1), Family.REACHED, "0 sent in this time, 100.0% failed"),
        (
            ChannelFigures("SMS", sent=5),
            Family.REACHED,
            "5 sent in this time, 0.0% failed, and nothing due waits longer than 1.0 s",
        ),
        (ChannelFigures("SMS", route=[Carrier("a")]), Family.NOT_SENT, "All is quiet"),
        (ChannelFigures("SMS"), Family.NOT_SENT, "All is quiet"),
    ],
)
def test_one_channel(channel: ChannelFigures, family: Family, part: str) -> None:
    ((found, text),) = told(channel)
    assert found == family
    assert part in text


def test_a_sweeper_may_be_as_old_as_it_is_allowed_to_be() -> None:
    assert told(ChannelFigures("SMS"), swept=30.0) == told(ChannelFigures("SMS"))


@pytest.mark.parametrize(("more", "part"), [(False, "3 dead letters"), (True, "3+ dead letters")])
def test_dead_letters_that_were_not_all_counted_are_so_many_and_more(more: bool, part: str) -> None:
    ((_, text),) = told(ChannelFigures("SMS"), dead=3, dead_more=more)
    assert text.startswith(part)


@pytest.mark.parametrize(("swept", "part"), [(None, "reported yet"), (31.0, "reported for 31 s")])
def test_without_a_sweeper_nothing_else_comes_first(swept: float | None, part: str) -> None:
    found = told(ChannelFigures("SMS", paused="x"), swept=swept, stopped_broadcasts=2, dead=3)
    assert [family for family, _ in found] == [Family.FAILED, *[Family.WAITING] * 3]
    assert part in found[0][1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 d"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_quantile_is_the_upper_end_of_its_step() -> None:
    assert quantile([], 0.95) is None
    assert quantile([(-1, 50)], 0.95) is None
    assert quantile([(10, 0)], 0.95) is None
    assert quantile([(0, 1)], 0.95) == 2**0.5
    assert quantile([(10, 95), (20, 5)], 0.95) == 2**5.5
    assert quantile([(20, 6), (10, 94)], 0.95) == 2**10.5
    assert quantile([(4, 1)], 0.95) == 2**2.5
