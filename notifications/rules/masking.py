"""Masking free text: what a provider or a person wrote may quote an address."""

from __future__ import annotations

import re

_PERSONAL = re.compile(r"\S+@\S+|\+?\d[\d ()-]{5,}\d|\S{32,}")


def redacted(text: str) -> str:
    """Return what a provider or a person wrote without whatever looks like an address, a number or a token."""
    return _PERSONAL.sub("…", text)
