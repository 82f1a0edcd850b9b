"""Where SMS may go and what they are counted by, so that nobody makes money or mischief with them."""

from __future__ import annotations

from collections.abc import Collection

import phonenumbers

#: Numbers that differ in so many digits at their end only are counted together: a block of ten thousand.
BLOCK_DIGITS = 4
_SHORTEST_PREFIX = 4


def may_text(number: str, countries: Collection[str] | None) -> bool:
    """Whether SMS may go to an E.164 number: its calling code ("49") or region ("DE") is named, or all are allowed."""
    if countries is None:
        return True
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return str(parsed.country_code) in countries or _region(parsed) in countries


def block(number: str) -> str:
    """Return the prefix under which an E.164 number is counted, such as "+491511234" for "+4915112345678"."""
    return number[: max(_SHORTEST_PREFIX, len(number) - BLOCK_DIGITS)]


def calling_code(number: str) -> str:
    """Return "+49" of an E.164 number, or "+" if it has none: what an alert may name."""
    try:
        return f"+{phonenumbers.parse(number).country_code}"
    except phonenumbers.NumberParseException:
        return "+"


def _region(parsed: phonenumbers.PhoneNumber) -> str:
    """Return the region of a number; most calling codes have but one, and those are not looked into."""
    regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
    if len(regions) == 1:
        return str(regions[0])
    return str(phonenumbers.region_code_for_number(parsed) or "")
