"""How many segments an SMS is billed as: GSM-7 where it fits, else UCS-2.

Facts: https://www.twilio.com/docs/glossary/what-sms-character-limit and 3GPP TS 23.038 for the alphabet.
"""

from __future__ import annotations

from typing import NamedTuple

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = frozenset("^{}\\[~]|€\f")
_GSM7_SINGLE, _GSM7_PART = 160, 153
_UCS2_SINGLE, _UCS2_PART = 70, 67


class Segments(NamedTuple):
    """The encoding a text needs and the number of segments it takes."""

    encoding: str
    parts: int


def count_segments(text: str) -> Segments:
    """Return the encoding and the number of segments of ``text``; an empty text is one segment."""
    letters = set(text)
    if letters <= _GSM7:
        return Segments("GSM-7", _parts([1] * len(text), _GSM7_SINGLE, _GSM7_PART))
    if letters <= _GSM7 | _GSM7_EXTENDED:
        widths = [2 if letter in _GSM7_EXTENDED else 1 for letter in text]
        return Segments("GSM-7", _parts(widths, _GSM7_SINGLE, _GSM7_PART))
    return Segments("UCS-2", _parts([2 if ord(letter) > 0xFFFF else 1 for letter in text], _UCS2_SINGLE, _UCS2_PART))


def _parts(widths: list[int], single: int, part: int) -> int:
    """Fill segments one by one: a character of two units is never split between two of them."""
    if sum(widths) <= single:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return count
