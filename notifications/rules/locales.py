"""Which translation a recipient gets: the nearest one there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
LONGEST = 16


@lru_cache(maxsize=1_024)  # asked for every recipient, of a few languages
def usable_locale(text: str | None) -> str:
    """Return a locale as hosts, files and the console write it, or "" if it is none: no free text stops a message."""
    return text if text and len(text) <= LONGEST and _LOCALE.fullmatch(text) else ""


def fallback_chain(locale: str, default: str) -> list[str]:
    """Return locales from the most to the least specific: `de-AT`, `de`, then the project's own, `en` last."""
    chain: list[str] = []
    for start in (locale, default, "en"):
        parts = start.replace("_", "-").split("-") if start else []
        while parts:
            candidate = "-".join(parts)
            if candidate.lower() not in (item.lower() for item in chain):
                chain.append(candidate)
            parts.pop()
    return chain


def choose_locale(wanted: str, default: str, available: Iterable[str]) -> str | None:
    """Return the best available locale, or None if nothing is available at all."""
    return _choose(wanted, default, tuple(available))


@lru_cache(maxsize=4_096)  # asked for every message, of a few languages and templates
def _choose(wanted: str, default: str, available: tuple[str, ...]) -> str | None:
    by_name = {name.replace("_", "-").lower(): name for name in available}
    for candidate in fallback_chain(wanted, default):
        if candidate.lower() in by_name:
            return by_name[candidate.lower()]
    return min(by_name.values(), default=None)
