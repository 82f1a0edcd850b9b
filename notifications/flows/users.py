"""Users: their rows with what `RECIPIENT` names, by primary key or by the value that callers know them by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection

from .. import conf
from ..rules.identity import UserKey
from .lookups import is_unique, lookup_field, spelled

Row: TypeAlias = Mapping[str, Any]
_CANNOT_BE = (ValueError, TypeError, ValidationError, OverflowError)


def rows_by_key(keys: Sequence[UserKey]) -> list[Row]:
    """Return the rows of those of these users that there are."""
    return list(_users().filter(pk__in=keys).values("pk", *_paths())) if keys else []


def rows_by_lookup(values: Iterable[str]) -> dict[str, Row]:
    """Return the rows of the users that these look-up values name, by value."""
    return _by_lookup(list(dict.fromkeys(values)), _paths())


def keys_by_lookup(values: Iterable[str]) -> dict[str, UserKey]:
    """Return the primary keys of the users that these look-up values name, by value; nothing else is read of them."""
    wanted = [value for value in dict.fromkeys(values) if _can_be(value)]
    return {value: row["pk"] for value, row in _by_lookup(wanted, set()).items()}


def _by_lookup(wanted: Sequence[str], paths: Collection[str]) -> dict[str, Row]:
    if len(wanted) == 1:
        row = _row_of(wanted[0], paths)
        return {} if row is None else {wanted[0]: row}
    possible = [value for value in wanted if _can_be(value)]
    found, is_exact = _rows_of(possible, paths)
    if not is_exact:
        # The database finds more than what is spelt the same (a collation without case, say): it decides one by one.
        single = {value: _row_of(value, paths) for value in possible if value not in found}
        found |= {value: row for value, row in single.items() if row is not None}
    return found


def _row_of(value: str, paths: Collection[str]) -> Row | None:
    try:
        found = _users().filter(**{_lookup(): value}).values("pk", *paths)
        # Where there can be but one, no order is asked for: a sixth of what this statement takes to be made.
        row = next(iter(found[:1]), None) if is_unique(get_user_model(), _lookup()) else found.first()
    except _CANNOT_BE:
        return None
    return row if row is not None and _is_meant(row["pk"], value) else None


def _rows_of(values: Collection[str], paths: Collection[str]) -> tuple[dict[str, Row], bool]:
    """Return the rows by value, and whether every row that was found was spelt like one of the values."""
    lookup = _lookup()
    if not values or lookup_field(lookup) is None:
        return {}, not values
    by_spelling: dict[str, list[str]] = {}
    for value in values:
        by_spelling.setdefault(spelled(value), []).append(value)
    found: dict[str, Row] = {}
    for row in _users().filter(**{f"{lookup}__in": list(values)}).values("pk", lookup, *paths):
        meant = by_spelling.pop(spelled(row[lookup]), None)
        if meant is None:
            return {}, False
        found |= {value: row for value in meant if _is_meant(row["pk"], value)}
    return found, True


def _is_meant(key: UserKey, value: str) -> bool:
    """Django reads " 1", "+1" and "1_0" as numbers; a look-up by key means the key as it is written."""
    return _lookup() != "pk" or str(key) == value.lower()


def _can_be(value: str) -> bool:
    """Whether a value can be compared with the field at all: one that cannot must not harm the others' statement."""
    field = lookup_field(_lookup())
    if field is None:
        return "\x00" not in value
    try:
        prepared: Any = field.get_prep_value(field.to_python(value))
    except _CANNOT_BE:
        return False
    if isinstance(prepared, int):
        least, most = connection.ops.integer_field_range(field.get_internal_type())
        return bool(least <= prepared <= most)
    return "\x00" not in value


def _lookup() -> str:
    return conf.get().recipient.lookup


def _paths() -> set[str]:
    return set(conf.get().recipient.fields.values())


def _users() -> Any:
    return get_user_model()._default_manager
