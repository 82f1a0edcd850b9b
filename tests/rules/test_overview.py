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
        (ChannelFigures("SMS", late={Lane.CRITICAL: LATE_URGENT + 1}), Family.FAILED, "Urgent messages on SMS"),
        (ChannelFigures("SMS", late={Lane.BULK: LATE + 1}), Family.WAITING, "SMS is behind"),
        (ChannelFigures("SMS", sent=100, failed=FAILED_LEAST), Family.FAILED, "17% of what ended"),
        (ChannelFigures("SMS", sent=5, failed=FAILED_LEAST - 1), Family.REACHED, "All goes out"),
        (ChannelFigures("SMS", late={Lane.BULK: LATE - 1}), Family.REACHED, "longer than"),
        (ChannelFigures("SMS", route=[Carrier("a")]), Family.NOT_SENT, "All is quiet"),
        (ChannelFigures("SMS"), Family.NOT_SENT, "All is quiet"),
    ],
)
def test_one_channel(channel: ChannelFigures, family: Family, part: str) -> None:
    ((found, text),) = told(channel)
    assert found == family
    assert part in text


@pytest.mark.parametrize(("swept", "part"), [(None, "reported yet"), (31.0, "reported for 31 s")])
def test_without_a_sweeper_nothing_else_comes_first(swept: float | None, part: str) -> None:
    found = told(ChannelFigures("SMS", paused="x"), swept=swept, stopped_broadcasts=2, dead=3)
    assert [family for family, _ in found] == [Family.FAILED, *[Family.WAITING] * 3]
    assert part in found[0][1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (180, "3 min"), (7_300, "2 h"), (200_000, "2 d")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_quantile_is_the_upper_end_of_its_step() -> None:
    assert quantile([], 0.95) is None
    assert quantile([(-1, 50)], 0.95) is None
    assert quantile([(10, 95), (20, 5)], 0.95) == 2**5.5
    assert quantile([(20, 6), (10, 94)], 0.95) == 2**10.5
    assert quantile([(4, 1)], 0.95) == 2**2.5
