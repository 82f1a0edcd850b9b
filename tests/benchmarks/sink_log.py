"""The sink's own log: one line for each message that it took, `<epoch seconds> <provider> <to> <carillon_id>`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_plus

NOBODY = "-"


class Taken(NamedTuple):
    """One message that the sink took: when it had answered, as whom, for whom, and under which id."""

    at: float
    provider: str
    to: str
    carillon_id: str


def parse(line: str) -> Taken:
    """Read one line.

    Raises:
        ValueError: it is not a whole one.
    """
    at, provider, to, carillon_id = line.split(" ")
    return Taken(float(at), provider, unquote_plus(to), unquote_plus(carillon_id))


class SinkLog:
    """Reads a log from a place on; what is still being written is left for the next time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._counted_to = 0
        self._counts: dict[str, int] = {}

    def end(self) -> int:
        """Return the place after the last whole line: what comes later begins there."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 65_536))
            tail = file.read()
        return size - (len(tail) - tail.rfind(b"\n") - 1)

    def since(self, place: int, provider: str) -> Iterator[Taken]:
        """Yield what one provider took after a place."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(place)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                taken = parse(line[:-1].decode())
                if taken.provider == provider:
                    yield taken

    def count(self, provider: str) -> int:
        """Return how many lines of a provider there are in all; reads on from where it stopped."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._counted_to)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._counted_to += len(whole)
            for name in ("fcm", "twilio", "postmark"):
                self._counts[name] = self._counts.get(name, 0) + whole.count(f" {name} ".encode())
        return self._counts.get(provider, 0)
