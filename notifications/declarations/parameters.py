"""Parameters of audiences: JSON as it is sent and stored, and the Python values that the function is called with."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

_LONGEST_NUMBER = 64
_LONGEST_LIST = 10_000
_MADE_FROM_LISTS: Mapping[object, Callable[[Iterable[object]], object]] = {
    list: list,
    Sequence: list,
    Iterable: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


class Misfit(TypeError):
    """A parameter that does not fit; `path` leads to it from the parameters: a name, then places in lists."""

    def __init__(self, text: str, *path: str) -> None:
        super().__init__(text)
        self.text, self.path = text, path

    def __str__(self) -> str:
        return f"{'/'.join(self.path)} {self.text}" if self.path else self.text


def stored(value: object) -> object:
    """Return a value as JSON keeps it, so that `typed` makes it again.

    Raises:
        Misfit: it is of no type that a parameter can have.
    """
    if isinstance(value, Enum):
        return stored(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Misfit("must be a number")
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str | UUID | Decimal):
        return _text(str(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_text(str(name)): _inside(name, stored, item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        found = [_inside(place, stored, item) for place, item in enumerate(value)]
        return sorted(found, key=repr) if isinstance(value, set | frozenset) else found
    raise Misfit(f"cannot be of type {type(value).__name__}: give a key, and look the rest up in the function")


def arguments(signature: inspect.Signature, params: Mapping[str, object]) -> dict[str, object]:
    """Return what a function is called with for stored parameters.

    Raises:
        TypeError: names are missing or unknown, or a value does not fit (`Misfit`).
    """
    signature.bind(**params)
    found = {}
    for name, value in params.items():
        parameter = signature.parameters.get(name)
        found[name] = _inside(name, typed, value, parameter.annotation if parameter else Any)
    return found


def typed(value: object, kind: object) -> object:
    """Return a JSON value as an annotation asks for it; without one, or with one that is not known, as it is.

    Raises:
        Misfit: the value is not of that type.
    """
    origin = get_origin(kind) or kind
    if origin in (Union, types.UnionType):
        return _any_of(value, get_args(kind))
    if origin is Literal:
        choices = {_key(stored(item)): item for item in get_args(kind)}
        return _choice(value, choices)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(value, {_key(stored(item)): item for item in kind})
    if origin in _MADE_FROM_LISTS:
        return _list(value, origin, get_args(kind))
    if origin in (dict, Mapping):
        return _given(value, "an object", fits=isinstance(value, Mapping))
    reader = _READERS.get(kind)
    return reader(value) if reader else value


def _any_of(value: object, kinds: Sequence[object]) -> object:
    mistakes = []
    for kind in sorted(kinds, key=lambda item: item is str):  # text fits last, since much else is written as text
        try:
            return typed(value, kind)
        except Misfit as error:
            mistakes.append(error)
    deepest = max(mistakes, key=lambda item: len(item.path))
    if deepest.path:
        raise deepest
    wanted = " or ".join(dict.fromkeys(item.text.removeprefix("must be ").partition(", not ")[0] for item in mistakes))
    raise Misfit(f"must be {wanted}, not {_name(value)}")


def _choice(value: object, choices: Mapping[object, object]) -> object:
    key = _key(value)
    if key not in choices:
        raise Misfit(f"must be one of {', '.join(str(stored(item)) for item in choices.values())}")
    return choices[key]


def _list(value: object, kind: object, inner: Sequence[object]) -> object:
    items = list(value) if isinstance(value, list | tuple) else None
    if items is None:
        raise Misfit(f"must be a list, not {_name(value)}")
    if len(items) > _LONGEST_LIST:
        raise Misfit(f"must have at most {_LONGEST_LIST} items")
    kinds = [item for item in inner if item is not Ellipsis]
    if kind is tuple and inner and Ellipsis not in inner:
        if len(items) != len(kinds):
            raise Misfit(f"must have {len(kinds)} items, not {len(items)}")
    else:
        kinds = [kinds[0] if kinds else Any] * len(items)
    return _MADE_FROM_LISTS[kind](
        _inside(place, typed, item, wanted) for place, (item, wanted) in enumerate(zip(items, kinds, strict=True))
    )


def _inside(step: object, read: Callable[..., object], *args: object) -> object:
    try:
        return read(*args)
    except Misfit as error:
        raise Misfit(error.text, str(step), *error.path) from None


def _key(value: object) -> object:
    """Return a value to compare by: in JSON, true is not 1."""
    return (isinstance(value, bool), value) if isinstance(value, str | int | float | None) else repr(value)


def _name(value: object) -> str:
    for kind, name in (
        (bool, "true or false"), (int, "a whole number"), (float, "a number"), (str, "text"), (list, "a list"),
    ):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "null" if value is None else "an object"


def _given(value: object, what: str, *, fits: bool) -> Any:
    if not fits:
        raise Misfit(f"must be {what}, not {_name(value)}")
    return value


def _text(value: object) -> str:
    text: str = _given(value, "text", fits=isinstance(value, str))
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Misfit("must be text without NUL or half characters")
    return text


def _whole(value: object) -> object:
    return _given(value, "a whole number", fits=isinstance(value, int) and not isinstance(value, bool))


def _number(value: object) -> float:
    return float(_given(value, "a number", fits=isinstance(value, int | float) and not isinstance(value, bool)))


def _decimal(value: object) -> Decimal:
    what = 'a decimal number as text, such as "12.50", or a whole number'
    fits = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(_given(value, what, fits=fits))
    try:
        found = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        raise Misfit(f"must be {what}")
    return found


def _uuid(value: object) -> UUID:
    try:
        return UUID(_given(value, "a UUID", fits=isinstance(value, str)))
    except ValueError:
        raise Misfit("must be a UUID") from None


def _date(value: object) -> date:
    what = 'a date such as "2027-01-31"'
    try:
        return date.fromisoformat(_given(value, what, fits=isinstance(value, str)))
    except ValueError:
        raise Misfit(f"must be {what}") from None


def _time(value: object) -> time:
    what = 'a time of day such as "09:00"'
    try:
        return time.fromisoformat(_given(value, what, fits=isinstance(value, str)))
    except ValueError:
        raise Misfit(f"must be {what}") from None


def _moment(value: object) -> datetime:
    what = 'a time with an offset, such as "2027-01-31T09:00:00+01:00"'
    try:
        found = datetime.fromisoformat(_given(value, what, fits=isinstance(value, str)))
    except ValueError:
        raise Misfit(f"must be {what}") from None
    if found.tzinfo is None:
        raise Misfit(f"must be {what}")
    return found


_READERS: Mapping[object, Callable[[object], object]] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: lambda value: _given(value, "true or false", fits=isinstance(value, bool)),
    Decimal: _decimal,
    UUID: _uuid,
    date: _date,
    time: _time,
    datetime: _moment,
    type(None): lambda value: _given(value, "null", fits=value is None),
    None: lambda value: _given(value, "null", fits=value is None),
}
