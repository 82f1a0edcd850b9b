"""How many segments a text message is sent and billed as: GSM-7 where every character is in its alphabet, else UCS-2.

3GPP TS 23.038 for the alphabets, 3GPP TS 23.040 for how long texts are split.
"""

from __future__ import annotations

from typing import NamedTuple

#: Twilio, like most, takes no text beyond 1,600 characters, which is just over ten segments.
MOST_SEGMENTS = 10
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # each takes two of the alphabet's units: an escape and itself
_GSM7_ONE, _GSM7_EACH = 160, 153  # of several, each begins with a header that tells how they belong together
_UCS2_ONE, _UCS2_EACH = 70, 67
# Spaces that typography wants and that cost a message more than half of its room; a phone shows them as it likes.
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f"), " ")


class Segments(NamedTuple):
    """The encoding that a text needs, its length in that encoding's units, and the segments that it takes."""

    encoding: str
    units: int
    parts: int

    def __str__(self) -> str:
        return f"{self.parts} × {self.encoding}, {self.units} units"


def count_segments(text: str) -> Segments:
    """Return how a text is sent; an empty one is still one segment."""
    if all(letter in _GSM7 or letter in _EXTENDED for letter in text):
        widths = [2 if letter in _EXTENDED else 1 for letter in text]
        return Segments("GSM-7", sum(widths), _filled(widths, _GSM7_ONE, _GSM7_EACH))
    widths = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
    return Segments("UCS-2", sum(widths), _filled(widths, _UCS2_ONE, _UCS2_EACH))


def with_plain_spaces(text: str) -> str:
    """Return a text with ordinary spaces: the no-break space in "59,90 €" would make it UCS-2 by itself."""
    return text.translate(_SPACES)


def _filled(widths: list[int], one: int, each: int) -> int:
    """Return the segments that characters fill; one of two units is never split between two of them."""
    if sum(widths) <= one:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return count


def beyond_gsm7(text: str) -> list[str]:
    """Return the characters that make a text UCS-2, each once, in the order in which they come."""
    return [letter for letter in dict.fromkeys(text) if letter not in _GSM7 and letter not in _EXTENDED]
