"""Masking free text: what a provider or a person wrote may quote an address."""

from __future__ import annotations

import re

#: What PostgreSQL says of an error that names things of ours and never quotes a value.
_NAMES = ("sqlstate", "table_name", "column_name", "constraint_name")
_TOKEN = r"[\w.:=+-]{60,}"
_MASKED = re.compile(
    # A mailbox, also as a URL spells it; an international number; a push token, a signed link, a key.
    rf"[\w.!#$%*+~-]+(?:@|%40)[\w.-]+|(?:\+|%2B)\d[\d ()-]{{5,}}\d|{_TOKEN}",
    re.IGNORECASE,
)
_PERSONAL = re.compile(r"\S+@\S+|\+?\d[\d ()-]{5,}\d|\S{32,}")


def redacted(text: str) -> str:
    """Return what a provider or a person wrote without whatever looks like an address, a number or a token."""
    return _PERSONAL.sub("…", text)


def masked(text: str) -> str:
    """Return a log's text without mailboxes, numbers with a + and tokens; ids, paths and times stay readable.

    A provider's or a person's own words need `redacted`, which takes away more.
    """
    return _MASKED.sub("…", text)


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
