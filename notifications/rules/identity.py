"""Ids that are keys: a delivery's id is made from what makes it unique, and begins with its notification's time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from uuid_utils.compat import uuid7

UserKey: TypeAlias = Any
"""A user's primary key: an int, a UUID or text, as the host's user model has it; unknown until it is installed."""

USER_PREFIX = "u:"
ADDRESS_PREFIX = "a:"
_HASH_DIGITS = 40
_TIME_BITS_FROM = 80
_APART = "\x1f"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """Return a UUIDv7: its first 48 bits are the time in milliseconds, so ids sort by age."""
    return uuid7()


def delivery_id(notification_id: UUID, recipient: str, channel: str, target: str) -> UUID:
    """Return the one id that a delivery of this notification to this device or address can have.

    It takes the 48 time bits of the notification and 74 bits of a hash, marked as version 8 (RFC 9562, custom):
    `ON CONFLICT (id)` is thereby the dedup, on a table whose partition key is the same column.
    """
    return UUID(delivery_ids(notification_id)(recipient, channel, target))


def delivery_ids(notification_id: UUID) -> Callable[[str, str, str], str]:
    """Return what makes the ids of a notification's deliveries, each as its 32 digits: a page needs a thousand."""
    text, time_bits = str(notification_id), notification_id.int >> _TIME_BITS_FROM
    first = time_bits << _TIME_BITS_FROM | 0x8 << 76 | 0b10 << 62

    def made(recipient: str, channel: str, target: str) -> str:
        named = _APART.join((text, recipient, channel, target)).encode()
        hashed = int.from_bytes(hashlib.blake2b(named, digest_size=10).digest())
        return f"{first | (hashed >> 62 & 0xFFF) << 64 | hashed & (1 << 62) - 1:032x}"

    return made


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest id that can be made at or after a moment; partitions and time filters use it.

    None is older than 1970, in whose first week a clock begins that was not set.
    """
    return UUID(int=max(0, (moment - _EPOCH) // timedelta(milliseconds=1)) << _TIME_BITS_FROM)


def bounds_of(notification_ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    """Return the smallest id that a delivery of these notifications can have, and the first that none can have.

    All ids of a notification's deliveries begin with its own time, so that they lie side by side.
    """
    times = [item.int >> _TIME_BITS_FROM for item in notification_ids]
    return UUID(int=min(times) << _TIME_BITS_FROM), UUID(int=(max(times) + 1) << _TIME_BITS_FROM)


def time_of(identifier: UUID) -> datetime:
    """Return when the id (or its notification's) was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=identifier.int >> _TIME_BITS_FROM)


def client_number(owner: str) -> int:
    """Return a number from 0 to 2**31 - 1 for whoever asks, by which deliveries of different clients take turns.

    Two clients may share one, and then share their turns: that delays, and mixes nothing up.
    """
    return int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=4).digest()) >> 1


def user_recipient(primary_key: object) -> str:
    """Return the recipient key of a user."""
    return f"{USER_PREFIX}{primary_key}"


def hash_recipient(address_hash: str) -> str:
    """Return the recipient key of whoever has an address with this hash."""
    return f"{ADDRESS_PREFIX}{address_hash[:_HASH_DIGITS]}"


def user_key(recipient: str) -> str | None:
    """Return the user's primary key as text, or None if the recipient has no account."""
    return recipient.removeprefix(USER_PREFIX) if recipient.startswith(USER_PREFIX) else None
