"""Idempotency: one caller's key leads to one request, for as long as the key's row lives."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from django.db import connection

from .. import conf
from ..cipher import digest
from ..exceptions import IdempotencyConflict, InvalidData, Problem
from ..models import IdempotencyKey

LONGEST = 255
_POLL_SECONDS = 0.01


def hold_key(owner: str, key: str, fingerprint: str) -> IdempotencyKey | None:
    """Return what the key led to, or None if it is new; it is then this transaction's until commit.

    Nobody waits for long: while another request holds the key, it is asked for again for 250 ms.

    Raises:
        IdempotencyConflict: the key was used for another request, or is still in flight.
        InvalidData: the key is too long.
    """
    if not key or len(key) > LONGEST or not key.isprintable():
        raise InvalidData(
            "The idempotency key cannot be used.",
            Problem("/idempotency_key", "invalid", f"must be 1 to {LONGEST} printable characters"),
        )
    earlier = _find(owner, key, fingerprint)
    if earlier is not None:
        return earlier
    deadline = time.monotonic() + conf.KEY_LOCK_WAIT_SECONDS
    while not _try_lock(owner, key):
        if time.monotonic() >= deadline:
            _conflict_in_flight()
        time.sleep(_POLL_SECONDS)
    # Whoever held it may have committed while we waited.
    return _find(owner, key, fingerprint)


def keep_key(owner: str, key: str, fingerprint: str, notification_id: UUID, response: object) -> None:
    """Keep what the key led to, with the first response."""
    IdempotencyKey.objects.create(
        owner=owner, key=key, fingerprint=fingerprint, notification_id=notification_id, response=response
    )


def fingerprint_of(request: Mapping[str, object]) -> str:
    """Return a keyed hash of a request that ignores the order of keys and reveals nothing of the values."""
    return digest("fingerprint", json.dumps(request, sort_keys=True, separators=(",", ":"), default=_plain))


def _find(owner: str, key: str, fingerprint: str) -> IdempotencyKey | None:
    earlier = IdempotencyKey.objects.filter(owner=owner, key=key).first()
    if earlier is not None and earlier.fingerprint != fingerprint:
        raise IdempotencyConflict("This idempotency key was used for another request; use a new one.", in_flight=False)
    return earlier


def _try_lock(owner: str, key: str) -> bool:
    number = int(digest("key-lock", owner, key)[:15], 16)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _conflict_in_flight() -> NoReturn:
    raise IdempotencyConflict("The first request with this idempotency key is still in flight.", in_flight=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
