"""The frame around an email's own words: which ones it goes around, and how the two become one source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape

from babel import Locale, UnknownLocaleError

#: The part of a version's words that keeps the layout with which they were published.
LAYOUT_PART = "layout"
_WHOLE = re.compile(r"<!doctype\b|<html\b", re.IGNORECASE)
_SLOT = re.compile(r"\{\{\s*(content|subject|lang|dir)\s*\}\}")


def is_whole(html: str) -> bool:
    """Whether this is a document of its own, which wants no layout around it."""
    return _WHOLE.search(html) is not None


def has_slot(layout: str) -> bool:
    """Whether a layout says where an email's words go."""
    return any(found[1] == "content" for found in _SLOT.finditer(layout))


def wrap(layout: str, parts: Mapping[str, str], locale: str) -> str:
    """Return one source out of a layout and an email's `html` and `subject`, in the direction of their language.

    The slots are filled before anything is compiled: they are places for words, not variables, so that no variable
    of the same name can get into them.
    """
    slots = {
        "content": parts["html"],
        "subject": parts.get("subject", "").strip(),
        "lang": escape(locale.replace("_", "-")),
        "dir": direction(locale),
    }
    return _SLOT.sub(lambda found: slots[found[1]], layout)


@lru_cache(maxsize=256)
def direction(locale: str) -> str:
    """Return which way a language is written: "ltr" or "rtl"."""
    try:
        known = Locale.parse(locale.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        language = re.split("[-_]", locale)[0]
        return direction(language) if language != locale else "ltr"
    return str(known.text_direction)
