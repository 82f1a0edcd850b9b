"""Which provider carries a message."""

from __future__ import annotations

import pytest

from notifications.conf import RouteEntry
from notifications.enums import Reason, State
from notifications.rules.routing import candidates, choose, country_prefix, in_order
from notifications.rules.standing import Standing
from tests.rules.standings import NOW, at

GERMAN, ANY, IPHONES = (
    RouteEntry("german", countries=("49", "43")),
    RouteEntry("any"),
    RouteEntry("iphones", platforms=("ios",)),
)


@pytest.mark.parametrize(
    ("route", "address", "platform", "aliases"),
    [
        pytest.param([GERMAN, ANY], "+4915112345678", "", ["german", "any"], id="the country fits: in order"),
        pytest.param([ANY, GERMAN], "+4915112345678", "", ["any", "german"], id="the order is the route's"),
        pytest.param([GERMAN, ANY], "+436601234567", "", ["german", "any"], id="a second country"),
        pytest.param([GERMAN, ANY], "+15005550006", "", ["any"], id="another country"),
        pytest.param([GERMAN], "+15005550006", "", [], id="no provider for that country"),
        pytest.param([GERMAN, ANY], "ada@example.com", "", ["any"], id="a mailbox has no country"),
        pytest.param([IPHONES, ANY], "token", "ios", ["iphones", "any"], id="the platform fits"),
        pytest.param([IPHONES, ANY], "token", "android", ["any"], id="another platform"),
        pytest.param([IPHONES, ANY], "token", "", ["any"], id="no platform"),
        pytest.param([], "token", "ios", [], id="no route"),
    ],
)
def test_candidates(route: list[RouteEntry], address: str, platform: str, aliases: list[str]) -> None:
    assert candidates(route, address, platform) == aliases


@pytest.mark.parametrize(
    ("serving", "usable", "chosen"),
    [
        pytest.param("ab", "ab", ("a", True), id="the first"),
        pytest.param("ab", "b", ("b", True), id="failover: the first is open"),
        pytest.param("b", "ab", ("b", True), id="one that cannot serve the device is passed over"),
        pytest.param("ab", "", ("a", False), id="all open: wait for the first"),
        pytest.param("b", "a", ("b", False), id="an open one that serves, rather than a usable one that does not"),
        pytest.param("", "ab", ("", False), id="none serves"),
    ],
)
def test_choice(serving: str, usable: str, chosen: tuple[str, bool]) -> None:
    assert choose(["a", "b"], lambda alias: alias in serving, lambda alias: alias in usable) == chosen


def test_nobody_asks_the_breaker_of_a_provider_that_is_not_needed() -> None:
    asked: list[str] = []

    def is_usable(alias: str) -> bool:
        asked.append(alias)
        return True

    assert choose(["a", "b", "c"], lambda alias: alias != "a", is_usable) == ("b", True)
    assert asked == ["b"]


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        pytest.param("+4915112345678", "49", id="Germany"),
        pytest.param("+15005550006", "1", id="one digit"),
        pytest.param("+9779812345678", "977", id="three digits"),
        pytest.param("015112345678", "", id="national"),
        pytest.param("", "", id="empty"),
    ],
)
def test_country_prefix(number: str, prefix: str) -> None:
    assert country_prefix(number) == prefix


@pytest.mark.parametrize(
    ("standing", "order"),
    [
        pytest.param(at(State.PENDING, Reason.NEW), ["a", "b"], id="a new one: the route's order"),
        pytest.param(
            at(State.PENDING, Reason.RETRY, provider="a"), ["b", "a"], id="certainly not sent by a: b first, a last"
        ),
        pytest.param(
            at(State.PENDING, Reason.BREAKER_OPEN, provider="a"), ["a", "b"], id="it only waited: the route's order"
        ),
        pytest.param(
            at(State.PENDING, Reason.RETRY, provider="a", maybe_sent=True), ["a"], id="a may have sent it: a alone"
        ),
        pytest.param(at(State.PENDING, Reason.RETRY, provider="b", keyed_at=NOW), ["b"], id="b knows our key: b alone"),
        pytest.param(
            at(State.PENDING, Reason.RETRY, provider="gone", maybe_sent=True),
            ["a", "b"],
            id="the provider that may have sent it is not routed any more",
        ),
    ],
)
def test_order_of_the_next_attempt(standing: Standing, order: list[str]) -> None:
    assert in_order(["a", "b"], standing) == order
