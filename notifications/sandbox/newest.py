"""The newest messages in memory: bounded in all, and so that a flood on one channel never pushes out the others."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from .records import CHANNELS

KEEP = 2_000
"""How many of the newest messages memory holds."""

KEEP_EACH = 300
"""How many of the newest of each provider stay, however many of another's come after them."""


class Newest:
    """The lines of the newest messages, in the order in which they came."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._lines: dict[str, deque[tuple[int, bytes]]] = {provider: deque() for provider in CHANNELS}
        self._added = 0
        self._held = 0

    def add(self, provider: str, line: bytes) -> None:
        """Add a line, and drop the oldest that is not among its provider's newest if there are too many."""
        self._added += 1
        self._lines[provider].append((self._added, line))
        if self._held < KEEP:
            self._held += 1
        else:
            min((held for held in self._lines.values() if len(held) > KEEP_EACH), key=_oldest).popleft()

    def count(self, *wanted: str) -> int:
        """Return how many lines are held, of these providers or channels if any are named."""
        return sum(len(held) for name, held in self._lines.items() if _is_among(name, wanted))

    def lines(self, *wanted: str) -> Iterator[bytes]:
        """Yield the lines, newest first, those of these providers or channels if any are named."""
        chosen = [reversed(held) for name, held in self._lines.items() if _is_among(name, wanted)]
        return (line for _, line in heapq.merge(*chosen, reverse=True))


def _is_among(provider: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or provider in wanted or CHANNELS[provider] in wanted


def _oldest(held: deque[tuple[int, bytes]]) -> int:
    return held[0][0]
