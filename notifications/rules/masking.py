"""Masking free text: what a provider or a person wrote may quote an address."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What PostgreSQL says of an error that names things of ours and never quotes a value.
_NAMES = ("sqlstate", "table_name", "column_name", "constraint_name")
_LOCAL = r"\w.!#$%*+~-"
# Whoever chooses a text must not choose how long it takes: each of these looks at a letter a few times only, which is
# why what may be of any length is sought where it begins.
_MASKED = (
    # A mailbox, also as a URL spells it, with all that is joined to it.
    re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]+(?:@|%40)[\w.-][@{_LOCAL}]*"),
    # An international number.
    re.compile(r"(?:\+|%2B)\d[\d ()-]{5,}\d", re.IGNORECASE),
    # A push token, a signed link, a key.
    re.compile(r"[\w.:=+-]{60,}"),
)
_PERSONAL = (re.compile(r"\S{32,}|(?<!\S)\S+@\S+"), re.compile(r"\+?\d[\d ()-]{5,}\d"))


def redacted(text: str) -> str:
    """Return what a provider or a person wrote without whatever looks like an address, a number or a token."""
    return _without(text, _PERSONAL)


def masked(text: str) -> str:
    """Return a log's text without mailboxes, numbers with a + and tokens; ids, paths and times stay readable.

    A provider's or a person's own words need `redacted`, which takes away more.
    """
    return _without(text, _MASKED)


def _without(text: str, patterns: Iterable[re.Pattern[str]]) -> str:
    """Return a text with an ellipsis for whatever one of the patterns finds; what several find may overlap."""
    said: list[str] = []
    end = 0
    for first, last in sorted(found.span() for pattern in patterns for found in pattern.finditer(text)):
        if first >= end:
            said += [text[end:first], "…"]
        end = max(end, last)
    return "".join([*said, text[end:]])


class Unquoted(Exception):
    """Stands in a log for an error whose own text may quote a row, an address or a token."""


def unquoted(error: BaseException) -> Unquoted:
    """Return an error as it may be logged: what it is and where it was raised, with no value and no cause.

    Of a database's error only names are told: its text quotes the row that it is about.
    """
    source = error if hasattr(error, "diag") else error.__cause__
    diagnosis = getattr(source, "diag", None)
    if diagnosis is None:
        said = redacted(str(error))
    else:
        said = " ".join(name for key in _NAMES if (name := getattr(diagnosis, key, None)))
    return Unquoted(f"{type(error).__name__}: {said}").with_traceback(error.__traceback__)
