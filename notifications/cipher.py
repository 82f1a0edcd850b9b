"""Keyed hashes and encryption at rest, from `ENCRYPTION_KEYS` or keys derived from `SECRET_KEY`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings as django_settings

from . import conf
from .enums import Channel

SIGNATURE_BYTES = 16


def digest(purpose: str, *parts: str) -> str:
    """Return a 64-digit keyed hash: equal parts give equal hashes, and nobody without the key can guess them.

    The oldest key is used, so that adding a newer one in front keeps look-ups working. That oldest key must stay for
    ever: `check --database` and an alert say so when it has gone.
    """
    message = "\x1f".join((purpose, *parts)).encode()
    return _mac(_keys()[-1], "digest", message).hex()


def address_hash(channel: str, address: str) -> str:
    """Return the hash under which a normalised address is looked up; suppressions keep nothing else of it.

    Mailboxes are compared without case, tokens to the letter.
    """
    return digest("address", channel, address.lower() if channel == Channel.EMAIL else address)


def key_mark() -> str:
    """Return a mark of the key behind every hash; when it changes, suppressions and devices are not found any more."""
    return digest("mark")[:16]


def sign(purpose: str, message: bytes) -> bytes:
    """Return what only the newest key makes of a message: `SIGNATURE_BYTES` bytes, in a few microseconds."""
    return _mac(_keys()[0], purpose, message)[:SIGNATURE_BYTES]


def is_signed(purpose: str, message: bytes, signature: bytes) -> bool:
    """Whether a signature was made of this message for this purpose, with any of the keys."""
    made = (_mac(key, purpose, message)[:SIGNATURE_BYTES] for key in _keys())
    return any(hmac.compare_digest(one, signature) for one in made)


def encrypt(values: Mapping[str, object]) -> bytes:
    """Return the values encrypted with the newest key."""
    return _fernet(_keys()).encrypt(json.dumps(values, separators=(",", ":")).encode())


def decrypt(token: bytes) -> dict[str, object]:
    """Return what `encrypt` was given.

    Raises:
        ValueError: none of the keys fits.
    """
    try:
        plain: dict[str, object] = json.loads(_fernet(_keys()).decrypt(bytes(token)))
    except InvalidToken as error:
        raise ValueError("no key in ENCRYPTION_KEYS decrypts these variables") from error
    return plain


def _keys() -> tuple[str, ...]:
    return conf.get().encryption_keys or (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_secret(key, "encrypt"))) for key in keys])


def _mac(key: str, purpose: str, message: bytes) -> bytes:
    """Return the HMAC of a message; a copy of one that has its key takes half the time of `hmac.digest`."""
    keyed = _keyed(key, purpose).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=16)
def _keyed(key: str, purpose: str) -> hmac.HMAC:
    return hmac.new(_secret(key, purpose), digestmod="sha256")


@lru_cache(maxsize=16)
def _secret(key: str, purpose: str) -> bytes:
    return hashlib.scrypt(key.encode(), salt=f"carillon.{purpose}".encode(), n=2, r=8, p=1, dklen=32)
