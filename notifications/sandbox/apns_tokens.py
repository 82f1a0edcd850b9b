"""Checks the JSON Web Token that a provider of APNs signs with its ``.p8`` key.

Facts: https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from .credentials import APNS_KEY_ID, APNS_TEAM_ID, apns_public_key

MAX_AGE = 3600
"""Seconds after which a token is refused, counted from its ``iat``."""

_CLOCK_SKEW = 300
_SIGNATURE_BYTES = 64
_CACHE_SIZE = 1_000


class ProviderTokens:
    """Knows good tokens again, so that a signature is checked once and not with every message."""

    def __init__(self) -> None:
        """Know none yet; ``least_seconds`` between two new tokens: 0 is "as often as you like", Apple's is 1,200."""
        self.least_seconds = 0.0
        self._known: dict[str, int] = {}
        self._latest: int | None = None

    def verdict(self, authorization: str | None) -> str | None:
        """Return None if the header carries a good token, else Apple's reason why not."""
        if not authorization:
            return "MissingProviderToken"
        scheme, _, token = authorization.partition(" ")
        issued = self._known.get(token)
        if issued is None:
            issued = _read(token) if scheme.lower() == "bearer" else None
            if issued is None:
                return "InvalidProviderToken"
            # Told apart by when they were issued: several processes that sign anew at once are one update each.
            if self._latest is not None and 0 <= issued - self._latest < self.least_seconds:
                return "TooManyProviderTokenUpdates"
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            self._known[token] = issued
            self._latest = issued
        return None if time.time() - issued < MAX_AGE else "ExpiredProviderToken"

    def forget(self) -> None:
        """Forget every token, and with them when the last one was new."""
        self.least_seconds = 0.0
        self._known.clear()
        self._latest = None


def _read(token: str) -> int | None:
    """Return when a token was issued, if the sandbox's key signed it by ES256 for its team."""
    signed, _, signature = token.rpartition(".")
    try:
        header, claims = (_object(part) for part in signed.split("."))
        raw = _unpadded(signature)
        if header["alg"] != "ES256" or header["kid"] != APNS_KEY_ID or claims["iss"] != APNS_TEAM_ID:
            return None
        if len(raw) != _SIGNATURE_BYTES or not isinstance(claims["iat"], int):
            return None
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        apns_public_key().verify(pair, signed.encode("ascii"), ECDSA(SHA256()))
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return None
    issued: int = claims["iat"]
    return issued if issued <= time.time() + _CLOCK_SKEW else None


def _object(part: str) -> dict[str, Any]:
    value = json.loads(_unpadded(part))
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _unpadded(part: str) -> bytes:
    """Decode base64url without its padding, as JWTs have it."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
