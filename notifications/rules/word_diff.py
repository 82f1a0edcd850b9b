"""What two versions of words differ in, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, TypeVar

Place = TypeVar("Place", bound=tuple[str, str])
Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class PartDiff:
    """The lines of one part, each with whether it stayed, went or came."""

    channel: str
    locale: str
    part: str
    lines: tuple[tuple[Kind, str], ...]


def diff_words(old: Mapping[Place, Mapping[str, str]], new: Mapping[Place, Mapping[str, str]]) -> list[PartDiff]:
    """Return the parts that differ, in the order of channel, language and name."""
    found = []
    for place in sorted({*old, *new}):
        before, after = old.get(place, {}), new.get(place, {})
        for part in sorted({*before, *after}):
            if before.get(part, "") != after.get(part, ""):
                lines = tuple(_lines(before.get(part, ""), after.get(part, "")))
                found.append(PartDiff(str(place[0]), place[1], part, lines))
    return found


def _lines(before: str, after: str) -> Iterator[tuple[Kind, str]]:
    # Ends of lines count: words that differ in nothing else differ all the same.
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for operation, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "equal":
            yield from (("same", line) for line in old[a:b])
            continue
        yield from (("removed", line) for line in old[a:b])
        yield from (("added", line) for line in new[c:d])
