"""Money in the reader's language: Django formats numbers and dates, but no currencies."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import UnknownCurrencyError, format_currency, validate_currency
from django.utils.translation import get_language

_CODE = re.compile(r"[A-Z]{3}")
_LARGEST = Decimal(10) ** 15


def money(value: object, currency: object) -> str:
    """Return an amount as `{{ total|money:"EUR" }}` prints it: "€59.90", "59,90 €".

    Raises:
        ValueError: it is no amount, or not a currency's three letters. The text quotes neither.
    """
    if not isinstance(value, int | float | Decimal | str):
        raise ValueError("not an amount")  # noqa: TRY004 - one kind of mistake
    try:
        amount = Decimal(str(value))  # "True" is none
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not amount.is_finite() or abs(amount) >= _LARGEST:
        raise ValueError("not an amount")
    if not isinstance(currency, str) or not _is_currency(str(currency)):
        raise ValueError("not a currency of ISO 4217")
    return str(format_currency(amount, str(currency), locale=_locale(get_language() or "en")))


@lru_cache(maxsize=256)
def _is_currency(code: str) -> bool:
    try:
        validate_currency(code)
    except UnknownCurrencyError:
        return False
    return _CODE.fullmatch(code) is not None


@lru_cache(maxsize=256)
def _locale(language: str) -> Locale:
    """Return what Babel knows of a language: its region's ways, the language's own, or English."""
    for name in (language, language.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")
