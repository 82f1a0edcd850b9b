"""The token with which a phone reports that a push message arrived or was opened: push services tell nothing of it.

It names one attempt of one delivery and a day, and carries nothing about anybody. One is made for each push message and
counts against its size: it costs one HMAC, and is packed.
"""

from __future__ import annotations

import base64
import struct
from datetime import datetime
from uuid import UUID

from ..cipher import SIGNATURE_BYTES, is_signed, sign
from ..messages import CarillonId

#: Days for which a token counts after its message was sent; a phone may have been switched off for weeks.
DAYS = 30
_PURPOSE = "phone receipt"
_FORM = struct.Struct(">16sHH")  # the delivery, its attempt or generation, the first day that is too late
#: Letters of a token: a whole number of base64's groups, so that no padding and no spare bits make a second one.
LENGTH = 48
_IS_GENERATION = 0x8000
_DAY_SECONDS = 86_400


def receipt_token(delivery_id: UUID, number: int, sent: datetime, *, is_generation: bool = False) -> str:
    """Return the token of an attempt: 48 letters of URL-safe base64, the same for the same attempt and day.

    Where the provider honours an idempotency key, `number` is the generation and `sent` a moment that all its attempts
    share, so that they stay the same request byte for byte.
    """
    until = _day(sent) + DAYS + 1
    packed = _FORM.pack(delivery_id.bytes, number | (_IS_GENERATION if is_generation else 0), until)
    return base64.urlsafe_b64encode(packed + sign(_PURPOSE, packed)).decode()


def read_receipt_token(token: str, now: datetime) -> CarillonId | None:
    """Return what a token names, or None if it is none of ours or its time is over."""
    if len(token) != LENGTH:
        return None
    try:
        raw = base64.b64decode(token, b"-_", validate=True)
    except ValueError:
        return None
    packed, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
    if not is_signed(_PURPOSE, packed, signature):
        return None
    identity, number, until = _FORM.unpack(packed)
    if _day(now) >= until:
        return None
    delivery_id = UUID(bytes=identity)
    if number & _IS_GENERATION:
        return CarillonId(delivery_id, None, number & ~_IS_GENERATION)
    return CarillonId(delivery_id, number, None)


def _day(moment: datetime) -> int:
    return int(moment.timestamp()) // _DAY_SECONDS
