"""Look-ups: the values by which callers name users, in one spelling and one order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, UniqueConstraint

from .. import conf

_CANNOT_BE = (ValueError, TypeError, ValidationError, OverflowError)


def spelled(value: object) -> str:
    """Return a look-up value as text, in the spelling that the user's own field gives it ("042" is 42)."""
    return _spelled(value, lookup_field(conf.get().recipient.lookup))


def place(value: str) -> str:
    """Return where a value stands in a list: a digest, so that a place kept as cursor names nobody."""
    return blake2b(value.encode(errors="replace"), digest_size=16).hexdigest()


def as_listed(values: Any) -> list[str]:
    """Return look-up values as a list of users keeps them: each once, by place."""
    field = lookup_field(conf.get().recipient.lookup)
    return sorted({_spelled(value, field) for value in values}, key=place)


def following(listed: Sequence[str], cursor: str, size: int) -> Sequence[str]:
    """Return the next values of such a list; who was erased from it meanwhile moves nobody's place."""
    start = bisect_right(listed, cursor, key=place) if cursor else 0
    return listed[start : start + size]


def named_in(listed: Sequence[str], values: Iterable[object]) -> set[str]:
    """Return which of these look-up values are in such a list, without going through it."""
    found = set()
    for text in {spelled(value) for value in values if value is not None}:
        at = bisect_left(listed, place(text), key=place)
        if at < len(listed) and listed[at] == text:
            found.add(text)
    return found


def _spelled(value: object, field: Field[Any, Any] | None) -> str:
    try:
        return str(value if field is None else field.to_python(value))
    except _CANNOT_BE:
        return str(value)


@lru_cache(maxsize=8)
def lookup_field(path: str) -> Field[Any, Any] | None:
    """Return the field that a look-up path ends at, or None if it is none (an annotation of the manager)."""
    model: type[Model] = get_user_model()
    *relations, last = path.split("__")
    try:
        for name in relations:
            related = model._meta.get_field(name).related_model
            if related is None or isinstance(related, str):
                return None
            model = related
        field = model._meta.pk if last == "pk" else model._meta.get_field(last)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) and not field.is_relation else None


@lru_cache(maxsize=8)
def is_unique(model: type[Model], path: str) -> bool:
    """Whether no two users can have the same value."""
    if path == "pk":
        return True
    try:
        field = model._meta.get_field(path)
    except FieldDoesNotExist:
        return False
    alone = any(
        isinstance(item, UniqueConstraint) and tuple(item.fields) == (path,) and item.condition is None
        for item in model._meta.constraints
    )
    return bool(getattr(field, "unique", False)) or alone
