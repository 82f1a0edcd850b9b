"""Whether the variables of a call are what its template declared."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from uuid import UUID

from ..exceptions import Problem

_PYTHON = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
MOST_BYTES = 64 * 1024
DEEPEST = 32
LONGEST_NAME = 63
#: A text of so many characters is not too large, whatever they are.
_SURELY_SMALL = MOST_BYTES // 16
MOST_PROBLEMS = 20


def problems_with(
    data: Mapping[str, object], variables: Mapping[str, str], per_recipient: Collection[str] = ()
) -> list[Problem]:
    """Return what is wrong with `data`; variables in `per_recipient` may be missing.

    The texts name variables and types, never values.
    """
    problems = [
        Problem(pointer(name), "missing_variable", f"the template needs {name} ({kind})")
        for name, kind in variables.items()
        if name not in data and name not in per_recipient
    ]
    for name, value in data.items():
        kind = variables.get(name)
        if kind is None:
            known = ", ".join(variables) or "none"
            problems.append(Problem(pointer(name), "unknown_variable", f"the template declares: {known}"))
        elif not _fits(value, kind):
            problems.append(Problem(pointer(name), "wrong_type", f"must be {kind}, not {type(value).__name__}"))
        if len(problems) >= MOST_PROBLEMS:
            break
    if not problems:
        problems += _size_problems(data)
    return problems[:MOST_PROBLEMS]


def own_value(value: object, kind: str) -> object:
    """Return a value of the recipient's own as a call would give it in JSON, or None if it is none of that kind.

    A date, a key or an amount is text where text was declared, as `date` and `money` read it.
    """
    if kind == "str" and type(value) is str and len(value) <= _SURELY_SMALL:
        return value if is_text(value) else None  # nearly always, and for each of a million
    if kind == "str" and isinstance(value, UUID | Decimal | date | time):
        value = str(value) if isinstance(value, UUID | Decimal) else value.isoformat()
    elif kind in ("int", "float") and isinstance(value, Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
    elif kind == "list" and isinstance(value, tuple | set | frozenset):
        value = list(value)
    if value is None or not _fits(value, kind) or _size_problems({"": value}):
        return None
    return value


def _fits(value: object, kind: str) -> bool:
    expected = _PYTHON[kind]
    if isinstance(value, bool) and kind != "bool":
        return False
    return isinstance(value, expected)  # type: ignore[arg-type]


def _size_problems(data: Mapping[str, object]) -> list[Problem]:
    try:
        size = len(json.dumps(data, allow_nan=False).encode())
        is_plain = all(_is_plain(value) for value in data.values())
    except (TypeError, ValueError, RecursionError):
        is_plain, size = False, 0
    if not is_plain:
        return [Problem("/data", "not_plain", "use plain values only: text, numbers, true, false, lists and objects")]
    if size > MOST_BYTES:
        return [Problem("/data", "too_large", f"is {size} bytes; {MOST_BYTES} are allowed")]
    if not all(is_text(text) for text in _texts(data)):
        return [Problem("/data", "not_text", "contains a NUL or half a character, which no channel can carry")]
    return []


def is_text(text: str) -> bool:
    """Whether a text can be stored and sent: it has no NUL and no lone surrogate."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value comes back from JSON as it went in, and is not nested beyond reason."""
    if depth > DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(item, depth + 1) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(item, depth + 1) for item in value)
    return value is None or isinstance(value, str | int | float)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def pointer(name: object) -> str:
    """Return where a variable is, as RFC 6901 writes it."""
    return "/data/" + str(name)[:LONGEST_NAME].replace("~", "~0").replace("/", "~1")
