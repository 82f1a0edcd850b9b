"""Idempotency: one caller's key leads to one request, for as long as the key's row lives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from .. import conf
from ..cipher import digest
from ..exceptions import IdempotencyConflict, InvalidData, Problem
from ..models import IdempotencyKey
from ..models.accept_queries import Known, Moment, Wanted

KeyName: TypeAlias = tuple[str, str]
"""An idempotency key, after its owner."""

LONGEST = 255
_POLL_SECONDS = 0.01


def check_key(key: str) -> None:
    """Return if a key can be one.

    Raises:
        InvalidData: it is empty, too long or not printable.
    """
    if not key or len(key) > LONGEST or not key.isprintable():
        raise InvalidData(
            "The idempotency key cannot be used.",
            Problem("/idempotency_key", "invalid", f"must be 1 to {LONGEST} printable characters"),
        )


def fingerprint_of_refused(key: object, canonical: Callable[[], Mapping[str, object]]) -> str | None:
    """Return the fingerprint of a request that cannot be accepted as things are now, or None if it cannot be told.

    If its key's row has the same, it was accepted before they changed. Callers from Python may pass anything.
    """
    if not isinstance(key, str):
        return None
    try:
        check_key(key)
        return fingerprint_of(canonical())
    except (InvalidData, AttributeError, TypeError, ValueError, RecursionError):
        return None


class Keys:
    """The idempotency keys of some requests: ours until commit, known from before, or in flight elsewhere.

    With them goes what else held at the moment when they were taken.
    """

    def __init__(self, names: Sequence[KeyName], moment: Moment) -> None:
        self.now, self.suppressed = moment.now, moment.suppressed
        self._held: dict[KeyName, Known | bool] = dict(zip(names, moment.keys, strict=True))
        self._taken: set[KeyName] = set()

    @classmethod
    def hold(cls, names: Sequence[KeyName], hashes: Collection[str] = ()) -> Keys:
        """Try to take these keys, and read which of the addresses with these hashes are suppressed.

        Nobody waits for long: what others hold is asked for again for 250 ms and then left to them.
        """
        names = list(dict.fromkeys(names))
        wanted = [Wanted(owner, key, _lock_of(owner, key)) for owner, key in names]
        moment = IdempotencyKey.objects.moment(wanted, hashes)
        deadline = time.monotonic() + conf.KEY_LOCK_WAIT_SECONDS
        while not all(moment.keys) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            places = [place for place, held in enumerate(moment.keys) if not held]
            later = IdempotencyKey.objects.moment([wanted[place] for place in places])
            for place, held in zip(places, later.keys, strict=True):
                moment.keys[place] = held
            moment = moment._replace(now=later.now)
        return cls(names, moment)

    def take(self, name: KeyName | None) -> bool:
        """Whether a request may be carried out: it has no key, or is the first of those whose key is ours."""
        if name is None:
            return True
        if self._held[name] is not True or name in self._taken:
            return False
        self._taken.add(name)
        return True

    def is_ours(self, name: KeyName) -> bool:
        """Whether nothing is stored under a key, and nobody else may."""
        return self._held[name] is True

    def settle(self, stored: Mapping[KeyName | None, Known]) -> None:
        """Note what our keys led to; one that was stored by somebody else before we took it led to what is theirs."""
        self._held |= {name: known for name, known in stored.items() if name is not None}
        lost = [name for name in self._taken if name not in stored]
        if lost:
            self._held |= IdempotencyKey.objects.known(lost)

    def answer(self, name: KeyName | None, fingerprint: str) -> Known:
        """Return what a key led to that was used for the same request.

        Raises:
            IdempotencyConflict: it was used for another request, or its first one is still in flight.
        """
        held = self._held.get(name, False) if name is not None else False
        if isinstance(held, bool):
            text = "The first request with this idempotency key is still in flight."
            raise IdempotencyConflict(text, in_flight=True)
        if held.fingerprint != fingerprint:
            text = "This idempotency key was used for another request; use a new one."
            raise IdempotencyConflict(text, in_flight=False)
        return held


def hold_key(owner: str, key: str, fingerprint: str) -> Known | None:
    """Return what the key led to, or None if it is new; it is then this transaction's until commit.

    Raises:
        IdempotencyConflict: the key was used for another request, or is still in flight.
        InvalidData: the key cannot be one.
    """
    check_key(key)
    name = (owner, key)
    keys = Keys.hold([name])
    if keys.take(name):
        # Whoever had it before may have committed between our look and our lock.
        keys.settle({})
    return None if keys.is_ours(name) else keys.answer(name, fingerprint)


def keep_key(owner: str, key: str, fingerprint: str, notification_id: UUID, response: object) -> None:
    """Keep what the key led to, with the first response."""
    IdempotencyKey.objects.create(
        owner=owner, key=key, fingerprint=fingerprint, notification_id=notification_id, response=response
    )


def fingerprint_of(request: Mapping[str, object]) -> str:
    """Return a keyed hash of a request that ignores the order of keys and reveals nothing of the values."""
    return digest("fingerprint", json.dumps(request, sort_keys=True, separators=(",", ":"), default=_plain))


def _lock_of(owner: str, key: str) -> int:
    return int(digest("key-lock", owner, key)[:15], 16)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
