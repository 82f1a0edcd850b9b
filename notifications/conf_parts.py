"""What the readers of settings share: how a mistake is told, with the line that cures it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SettingProblem:
    """One thing wrong with the settings: where, what and the line that cures it."""

    where: str
    what: str
    hint: str


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """Return "did you mean X?" or the list of what is known."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def unknown_keys(where: str, value: Mapping[str, object], known: tuple[str, ...]) -> list[SettingProblem]:
    """Return a problem for each key that nobody would read."""
    strange = [key for key in value if key not in known]
    return [SettingProblem(f"{where}[{key!r}]", "is not a known key", did_you_mean(str(key), known)) for key in strange]
