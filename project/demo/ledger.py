"""What this run's messages came to at the far end: the sandbox's own file, read from where the run began."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from notifications.sandbox.records import Accepted, parse_line, refused_path


class Ledger:
    """The lines that the sandbox has written since this was made; each is read once, by whichever thread is first."""

    def __init__(self, file: Path) -> None:
        """Begin at the end of the file as it is now."""
        self._accepted = _Tail(file)
        self._refused = _Tail(refused_path(file))
        self._messages: list[Accepted] = []
        self._refusals: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def accepted(self) -> list[Accepted]:
        """Return every message that a provider took in this run, oldest first."""
        with self._lock:
            self._messages += [parse_line(line) for line in self._accepted.read()]
            return list(self._messages)

    def refused(self) -> list[dict[str, Any]]:
        """Return every request that a provider refused in this run, oldest first."""
        with self._lock:
            self._refusals += [json.loads(line) for line in self._refused.read()]
            return list(self._refusals)

    def of(self, *deliveries: str) -> list[Accepted]:
        """Return the messages that were taken for these deliveries."""
        return [message for message in self.accepted() if message.delivery in deliveries]


class _Tail:
    """A file's whole lines from where it ended at first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = file.stat().st_size if file.exists() else 0

    def read(self) -> list[bytes]:
        """Return the lines that were completed since the last call."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as lines:
            lines.seek(self._offset)
            fresh = lines.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        # A sandbox killed inside a write leaves a torn line; nobody was ever answered for it.
        return [line for line in whole.splitlines() if line.endswith(b"}")]
