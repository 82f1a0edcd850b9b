"""Where SMS may go, and under what they are counted."""

from __future__ import annotations

import pytest

from notifications.rules.abuse import block, calling_code, may_text

BERLIN, NEW_YORK, TORONTO, JAMAICA, LONDON, JERSEY = (
    "+4915112345678", "+12125550123", "+14165550123", "+18765550123", "+447400123456", "+447797712345"
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "countries", "allowed"),
    [
        (BERLIN, None, True),
        (BERLIN, (), False),
        (BERLIN, {"49"}, True),
        (BERLIN, {"DE"}, True),
        (BERLIN, {"4", "AT"}, False),
        (NEW_YORK, {"1"}, True),
        (NEW_YORK, {"US"}, True),
        (TORONTO, {"US"}, False),
        (TORONTO, {"CA"}, True),
        (JAMAICA, {"US", "CA"}, False),
        (JAMAICA, {"1"}, True),
        (LONDON, {"GB"}, True),
        (JERSEY, {"GB"}, False),
        (JERSEY, {"44"}, True),
        ("nobody", {"49"}, False),
        ("nobody", None, True),
    ],
)
def test_only_what_is_named(number: str, countries: set[str] | None, *, allowed: bool) -> None:
    assert may_text(number, countries) is allowed


def test_numbers_of_one_block_are_counted_together() -> None:
    assert block("+4915112345678") == block("+4915112349999") == "+4915112345678"[:-4]
    assert block("+4915112345678") != block("+4915112355678")
    assert (block("+29012"), block("+2901234"), block("+29012345")) == ("+290", "+290", "+2901")


def test_an_alert_names_the_country_alone() -> None:
    assert [calling_code(number) for number in (BERLIN, JAMAICA, "nobody")] == ["+49", "+1", "+"]
