"""Money as its reader writes it."""

from __future__ import annotations

import pytest

from notifications.rules.rendering import RenderError, compile_part, render_part


def render(source: str, locale: str, value: object) -> str:
    return render_part(compile_part(source, escape=True), {"v": value}, locale, None)


@pytest.mark.parametrize(
    ("value", "currency", "locale", "text"),
    [
        (59.9, "EUR", "en", "€59.90"),
        (59.9, "EUR", "de", "59,90\u00a0€"),
        (1234567.5, "EUR", "de-AT", "€\u00a01.234.567,50"),
        (1234.5, "EUR", "fr", "1\u202f234,50\u00a0€"),
        (1234, "JPY", "ja", "￥1,234"),
        ("19.99", "USD", "en", "$19.99"),
        (-3, "GBP", "en-GB", "-£3.00"),
        (0.1 + 0.2, "EUR", "en", "€0.30"),
        (5, "EUR", "xx", "€5.00"),
    ],
)
def test_an_amount_in_a_language(value: object, currency: str, locale: str, text: str) -> None:
    assert render(f"{{{{ v|money:'{currency}' }}}}", locale, value) == text


@pytest.mark.parametrize("value", ["ten", "", None, True, [1], float("inf"), float("nan"), 1e300, "1" * 400])
def test_what_is_no_amount_is_no_blank(value: object) -> None:
    with pytest.raises(RenderError):
        render("{{ v|money:'EUR' }}", "en", value)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XX1", "<b>", "QQQ"])
def test_a_currency_must_be_one(currency: str) -> None:
    with pytest.raises(RenderError):
        render(f"{{{{ v|money:'{currency}' }}}}", "en", 1)
