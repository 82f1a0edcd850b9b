"""What was asked for under which idempotency key: kept for a day, and found again in the file after a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from .records import iter_file

LIFETIME = 24 * 3600
"""Seconds that a key is remembered: https://resend.com/docs/dashboard/emails/idempotency-keys"""

MAX_KEY = 256


class Known(NamedTuple):
    """A request that was taken: its body's digest, the ids it was answered with, and when."""

    digest: str
    message_ids: list[str]
    at: float


class IdempotencyKeys:
    """The keys of one provider."""

    def __init__(self, file: Path, provider: str) -> None:
        """Read the keys that ``file`` holds."""
        self._known: dict[str, Known] = {}
        self._in_flight: set[str] = set()
        marker = f'"provider":"{provider}"'.encode()
        for accepted in iter_file(file, marker):
            key, digest = accepted.request.get("Idempotency-Key"), accepted.request.get("digest")
            if key is None or digest is None:
                continue
            at = datetime.fromisoformat(accepted.at).timestamp()
            ids = self._known.setdefault(key, Known(digest, [], at)).message_ids
            if accepted.provider_message_id not in ids:
                ids.append(accepted.provider_message_id)

    def get(self, key: str) -> Known | None:
        """Return what was taken under this key within its life."""
        known = self._known.get(key)
        if known is not None and time.time() - known.at > LIFETIME:
            del self._known[key]
            return None
        return known

    def put(self, key: str, digest: str, message_ids: list[str]) -> None:
        """Remember a request that was taken."""
        self._known[key] = Known(digest, message_ids, time.time())

    def in_flight(self, key: str) -> bool:
        """Say whether the first request under this key has not been answered yet."""
        return key in self._in_flight

    def hold(self, key: str, held: set[str]) -> None:
        """Call a key's request in flight for as long as ``held`` is."""
        held.add(key)
        self._in_flight.add(key)

    @contextmanager
    def holding(self) -> Iterator[set[str]]:
        """Give a set for ``hold``, which ends with this context."""
        held: set[str] = set()
        try:
            yield held
        finally:
            self._in_flight -= held
