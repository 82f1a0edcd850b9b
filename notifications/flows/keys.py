"""Keys: API keys that are shown once and kept as a digest; found by their prefix, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from ..conf import did_you_mean
from ..enums import Scope
from ..exceptions import InvalidData, Problem
from ..models import ApiKey, Category, Delivery, Template
from ..rules.grants import EVERYTHING, TEST_MARK, Grant
from .requests import PYTHON

LONGEST_NAME = 80
MARK = "ck"
_PREFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_PREFIX_LENGTH = 10
_SECRET_BYTES = 32
_USE_KEPT_EVERY = timedelta(minutes=1)
_FOR_TESTS = (Scope.SEND, Scope.BROADCAST, Scope.READ)
_NOBODYS_DIGEST = hashlib.sha256(b"").hexdigest()


def create_key(
    name: str,
    scopes: Iterable[str],
    *,
    owner: str = "",
    expires_at: datetime | None = None,
    grant: Grant = EVERYTHING,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its plain text, which nobody can read again.

    `owner` owns the idempotency keys of its calls and survives rotation; it is the name unless given. A test key's
    owner is marked: what it asked for is never taken for what another key asked for.

    Raises:
        InvalidData: the name is empty, name or owner cannot be kept or told apart, a scope, template or category is
            unknown, or a scope is not for tests.
    """
    name, owner = name.strip(), owner.strip()
    wanted = sorted(set(scopes))
    problems = [
        Problem("/scopes", "unknown_scope", f"{scope!r}: {did_you_mean(scope, tuple(Scope.values))}")
        for scope in wanted
        if scope not in Scope.values
    ]
    problems += [*_name_problems(name, owner, TEST_MARK if grant.test else ""), *_grant_problems(grant, wanted)]
    if not wanted:
        problems.append(Problem("/scopes", "required", f"give at least one of {', '.join(Scope.values)}"))
    if problems:
        raise InvalidData("The API key cannot be made.", *problems)
    owner = f"{TEST_MARK if grant.test else ''}{owner or name}"
    return _store(ApiKey(name=name, owner=owner, scopes=wanted, expires_at=expires_at), grant)


def rotate_key(name: str, overlap: timedelta) -> tuple[ApiKey, str, list[ApiKey]]:
    """Make a key in place of the one of this name (or prefix), which goes on for the overlap and then ends.

    The new key has its name, owner, scopes, grant and length of life. Return it, its plain text, and what it replaces.

    Raises:
        InvalidData: no such key is in use, or several that differ are.
    """
    with transaction.atomic():
        now = Delivery.objects.database_now()
        in_use = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
        found = list(ApiKey.objects.select_for_update().filter(in_use, Q(name=name) | Q(prefix=name)).order_by("-pk"))
        problems = _rotation_problems(name, found)
        if problems:
            raise InvalidData("The API key cannot be rotated.", *problems)
        old = found[0]
        life = old.expires_at - old.created_at if old.expires_at else None
        fresh = ApiKey(name=old.name, owner=old.owner, scopes=old.scopes, expires_at=now + life if life else None)
        made, plain = _store(fresh, old.grant)
        ending = now + overlap
        for key in found:
            key.expires_at = min(key.expires_at or ending, ending)
            key.save(update_fields=["expires_at"])
    return made, plain, found


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
        ApiKey.objects.note_use(key.pk, _USE_KEPT_EVERY.total_seconds())
    return key


def revoke_key(key: ApiKey) -> bool:
    """End a key at once; return whether it was in use until now."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()))


def _store(key: ApiKey, grant: Grant) -> tuple[ApiKey, str]:
    """Give a key its prefix, its secret and what it is for, and store it with a digest of the secret."""
    key.prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key.digest = _digest(secret)
    key.templates, key.categories = sorted(grant.templates), sorted(grant.categories)
    key.save(force_insert=True)
    return key, f"{MARK}_{key.prefix}_{secret}"


def _grant_problems(grant: Grant, scopes: Collection[str]) -> Iterator[Problem]:
    """Yield why a key cannot be for this."""
    for pointer, named, known in (
        ("/templates", grant.templates, Template.objects.values_list("slug", flat=True)),
        ("/categories", grant.categories, Category.objects.values_list("slug", flat=True)),
    ):
        there = tuple(known) if named else ()
        for slug in sorted(named.difference(there)):
            yield Problem(pointer, "unknown", f"{slug!r}: {did_you_mean(slug, there)}")
    if grant.test:
        for scope in scopes:
            if scope in Scope.values and scope not in _FOR_TESTS:
                detail = f"{scope!r} changes what is kept about people; a test key may have {', '.join(_FOR_TESTS)}"
                yield Problem("/scopes", "not_for_tests", detail)


def _rotation_problems(name: str, found: Collection[ApiKey]) -> list[Problem]:
    if not found:
        return [Problem("/name", "unknown", f"no key in use is called {name!r}, or begins with it")]
    if len({(key.owner, *key.scopes, key.grant) for key in found}) > 1:
        prefixes = ", ".join(key.prefix for key in found)
        return [
            Problem("/name", "ambiguous", f"keys that differ are called {name!r}: name one by its prefix, {prefixes}")
        ]
    return []


def _name_problems(name: str, owner: str, mark: str) -> list[Problem]:
    """Return why a key cannot have this name and owner: two callers must never share idempotency keys by accident."""
    problems = []
    if not name:
        problems.append(Problem("/name", "required", "give the key a name that says who uses it"))
    for pointer, text in (("/name", name), ("/owner", owner)):
        if len(text) > LONGEST_NAME - len(mark):
            problems.append(Problem(pointer, "max_length", f"is longer than {LONGEST_NAME - len(mark)} characters"))
    if (owner or name).casefold() == PYTHON:
        detail = f"{PYTHON!r} owns the calls made from Python; choose another"
        problems.append(Problem("/owner" if owner else "/name", "reserved", detail))
    if (owner or name).casefold().startswith(TEST_MARK):
        detail = f"owners that begin with {TEST_MARK!r} are those of test keys, which get that by themselves"
        problems.append(Problem("/owner" if owner else "/name", "reserved", detail))
    return problems


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
