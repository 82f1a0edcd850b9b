"""Svix' signatures, which Resend puts on its callbacks.

The svix package would bring five others for these few lines. https://docs.svix.com/receiving/verifying-payloads/how-manual
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

#: As in Svix' own libraries; every repetition of a callback is signed anew.
TOLERANCE_SECONDS = 300


def is_key(secret: str) -> bool:
    """Whether a secret has the form of a signing key: "whsec_" and base64."""
    try:
        return secret.startswith("whsec_") and bool(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False


def is_genuine(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> bool:
    """Whether a callback carries a signature made with the secret, and not long ago."""
    given = {name.lower(): value for name, value in headers.items()}
    identity, stamp = given.get("svix-id", ""), given.get("svix-timestamp", "")
    if not is_key(secret) or not identity or not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    expected = sign(body, identity, stamp, secret).encode()
    versions = (part.partition(",") for part in given.get("svix-signature", "").split())
    return any(version == "v1" and hmac.compare_digest(value.encode(), expected) for version, _, value in versions)


def sign(body: bytes, identity: str, stamp: str, secret: str) -> str:
    """Return the signature of a callback."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    whole = b".".join((identity.encode(), stamp.encode(), body))
    return base64.b64encode(hmac.new(key, whole, hashlib.sha256).digest()).decode()
