"""How many messages a provider took per second: while the sandbox runs, and from its file afterwards."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from .records import Accepted, iter_file

_KEEP = 7_200
_SECOND = 19
"""How much of an ISO time says which second it is in."""


class Rates:
    """How many messages each provider took in each second of the last hours."""

    def __init__(self) -> None:
        """Count from now on."""
        self._seconds: dict[str, dict[str, int]] = {}

    def add(self, provider: str, at: str, count: int) -> None:
        """Count messages that were taken at an ISO time."""
        seconds = self._seconds.setdefault(provider, {})
        second = at[:_SECOND]
        if second in seconds:
            seconds[second] += count
            return
        seconds[second] = count
        if len(seconds) > _KEEP:
            del seconds[next(iter(seconds))]

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return the counts by provider and second."""
        return self._seconds


def per_second(path: str | Path, provider: str) -> dict[str, int]:
    """Return how many messages a provider took in each second, as the sandbox's file has them."""
    return dict(Counter(accepted.at[:_SECOND] for accepted in _of(path, provider)))


def busiest(path: str | Path, provider: str, seconds: float = 1.0) -> int:
    """Return the most messages that a provider took within so many seconds, wherever they begin."""
    window: deque[float] = deque()
    most = 0
    for at in sorted(datetime.fromisoformat(accepted.at).timestamp() for accepted in _of(path, provider)):
        window.append(at)
        while window[0] <= at - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


def _of(path: str | Path, provider: str) -> Iterable[Accepted]:
    return iter_file(path, f'"provider":"{provider}"'.encode())
