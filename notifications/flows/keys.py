"""Keys: API keys that are shown once and kept as a digest; found by their prefix, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models.functions import Now

from ..conf import did_you_mean
from ..enums import Scope
from ..exceptions import InvalidData, Problem
from ..models import ApiKey
from .requests import PYTHON

LONGEST_NAME = 80
MARK = "ck"
_PREFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_PREFIX_LENGTH = 10
_SECRET_BYTES = 32
_USE_KEPT_EVERY = timedelta(minutes=1)
_NOBODYS_DIGEST = hashlib.sha256(b"").hexdigest()


def create_key(
    name: str, scopes: Iterable[str], *, owner: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key and return it with its plain text, which nobody can read again.

    `owner` owns the idempotency keys of its calls and survives rotation; it is the name unless given.

    Raises:
        InvalidData: the name is empty, name or owner cannot be kept or told apart, or a scope is unknown.
    """
    name, owner = name.strip(), owner.strip()
    wanted = sorted(set(scopes))
    problems = [
        Problem("/scopes", "unknown_scope", f"{scope!r}: {did_you_mean(scope, tuple(Scope.values))}")
        for scope in wanted
        if scope not in Scope.values
    ]
    problems += _name_problems(name, owner)
    if not wanted:
        problems.append(Problem("/scopes", "required", f"give at least one of {', '.join(Scope.values)}"))
    if problems:
        raise InvalidData("The API key cannot be made.", *problems)
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey.objects.create(
        prefix=prefix,
        digest=_digest(secret),
        name=name,
        owner=owner or name,
        scopes=wanted,
        expires_at=expires_at,
    )
    return key, f"{MARK}_{prefix}_{secret}"


def find_key(plain: str) -> ApiKey | None:
    """Return the key that this is the plain text of, if it may be used now; its use is noted once a minute."""
    mark, _, rest = plain.partition("_")
    prefix, _, secret = rest.partition("_")
    known = mark == MARK and len(prefix) == _PREFIX_LENGTH and prefix.isascii() and prefix.isalnum()
    found = ApiKey.objects.usable(prefix, _USE_KEPT_EVERY.total_seconds()) if known else None
    if not hmac.compare_digest(found[0].digest if found else _NOBODYS_DIGEST, _digest(secret)) or found is None:
        return None
    key, use_is_old = found
    if use_is_old:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    return key


def revoke_key(key: ApiKey) -> bool:
    """End a key at once; return whether it was in use until now."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()))


def _name_problems(name: str, owner: str) -> list[Problem]:
    """Return why a key cannot have this name and owner: two callers must never share idempotency keys by accident."""
    problems = []
    if not name:
        problems.append(Problem("/name", "required", "give the key a name that says who uses it"))
    for pointer, text in (("/name", name), ("/owner", owner)):
        if len(text) > LONGEST_NAME:
            problems.append(Problem(pointer, "max_length", f"is longer than {LONGEST_NAME} characters"))
    if (owner or name).casefold() == PYTHON:
        detail = f"{PYTHON!r} owns the calls made from Python; choose another"
        problems.append(Problem("/owner" if owner else "/name", "reserved", detail))
    return problems


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
