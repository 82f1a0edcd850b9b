"""Keeps what the sandbox accepted: appended to a file before the provider's answer, the newest also in memory."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .newest import Newest
from .rates import Rates
from .records import CHANNELS, REPLAYED, Accepted, CarillonId, parse_line, refused_path

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_PROVIDER_KEYS = {provider: f'"provider":"{provider}"'.encode() for provider in CHANNELS}
_HEAD = 80
"""Within how many bytes of a line ``provider`` stands: ``at`` comes first and has a fixed length."""


class Store:
    """The one place where accepted and refused requests are kept.

    A line is written by a single ``write`` to a file opened with O_APPEND, so lines of two processes never mix and
    what was answered survives a kill of this process (not of the machine, unless ``fsync`` is set).
    """

    def __init__(self, file: Path, *, fsync: bool = False) -> None:
        """Open (and append to) the files, and take up the newest messages of an earlier run."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.accepted: Counter[str] = Counter(dict.fromkeys(CHANNELS, 0))
        self.refused: Counter[str] = Counter(dict.fromkeys(CHANNELS, 0))
        self.replayed: Counter[str] = Counter(dict.fromkeys(CHANNELS, 0))
        self.rates = Rates()
        self._fsync = fsync
        self._newest = Newest()
        self._load()
        self._accepted_fd = _open_append(file)
        self._refused_fd = _open_append(refused_path(file))

    def accept(
        self,
        provider: str,
        recipients: Iterable[str],
        carillon_id: CarillonId,
        provider_message_id: str,
        content: Mapping[str, Any],
        request: Mapping[str, Any],
    ) -> None:
        """Append one line per recipient; raises OSError, and then the provider must not answer "accepted"."""
        at = _now()
        lines = [
            _line(at, provider, recipient, carillon_id, provider_message_id, content, request)
            for recipient in recipients
        ]
        self._append(self._accepted_fd, b"".join(lines))
        for line in lines:
            self._newest.add(provider, line)
        self.accepted[provider] += len(lines)
        self.rates.add(provider, at, len(lines))

    def refuse(self, provider: str, to: str | None, carillon_id: CarillonId, status: int, code: str) -> None:
        """Append a line that says which request was refused, and how; ``status`` 0 is a closed connection."""
        self._note(provider, to, carillon_id, status, code)
        self.refused[provider] += 1

    def replay(self, provider: str, to: str | None, carillon_id: CarillonId) -> None:
        """Append a line that says which request was answered as before, by its idempotency key, and not sent again."""
        self._note(provider, to, carillon_id, 200, REPLAYED)
        self.replayed[provider] += 1

    def _note(self, provider: str, to: str | None, carillon_id: CarillonId, status: int, code: str) -> None:
        entry = {
            "at": _now(),
            "provider": provider,
            "to": to,
            "delivery": carillon_id.delivery,
            "attempt": carillon_id.attempt,
            "generation": carillon_id.generation,
            "status": status,
            "code": code,
        }
        self._append(self._refused_fd, (_encode(entry) + "\n").encode("ascii"))

    def newest(self, *wanted: str, to: str | None = None) -> Iterator[Accepted]:
        """Yield the messages still in memory, newest first, of one address, some providers or channels if asked."""
        for line in self._newest.lines(*wanted):
            accepted = parse_line(line)
            if to is None or accepted.to == to:
                yield accepted

    def kept(self, *wanted: str) -> int:
        """Return how many messages are still in memory, of some providers or channels if asked."""
        return self._newest.count(*wanted)

    def find(self, provider: str, *, to: str | None, provider_message_id: str | None) -> Accepted | None:
        """Return the newest message with this provider id, or else to this address."""
        for accepted in self.newest(provider):
            if provider_message_id is not None:
                if accepted.provider_message_id == provider_message_id and to in (None, accepted.to):
                    return accepted
            elif accepted.to == to:
                return accepted
        return None

    def close(self) -> None:
        """Close the files."""
        os.close(self._accepted_fd)
        os.close(self._refused_fd)

    def _append(self, fd: int, data: bytes) -> None:
        if os.write(fd, data) != len(data):
            raise OSError(f"short write to {self.file}: is the disk full?")
        if self._fsync:
            os.fsync(fd)

    def _load(self) -> None:
        """Count what the file holds already and take its newest lines into memory."""
        if not self.file.exists():
            return
        with self.file.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"}\n"):
                    continue
                head = line[:_HEAD]
                for provider, key in _PROVIDER_KEYS.items():
                    if key in head:
                        self.accepted[provider] += 1
                        self._newest.add(provider, line)


def _line(
    at: str,
    provider: str,
    to: str,
    carillon_id: CarillonId,
    provider_message_id: str,
    *bodies: Mapping[str, Any],
) -> bytes:
    content, request = bodies
    entry = {
        "at": at,
        "provider": provider,
        "channel": CHANNELS[provider],
        "to": to,
        "delivery": carillon_id.delivery,
        "attempt": carillon_id.attempt,
        "generation": carillon_id.generation,
        "provider_message_id": provider_message_id,
        "content": content,
        "request": request,
    }
    return (_encode(entry) + "\n").encode("ascii")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _open_append(path: Path) -> int:
    """Open ``path`` for appending; a torn last line, left by a kill, is ended so that the next one stands alone."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.write(fd, b"\n")
    return fd
