"""Whether the variables of a call are what its template declared."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ..exceptions import Problem

_PYTHON = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
MOST_BYTES = 64 * 1024


def problems_with(
    data: Mapping[str, object], variables: Mapping[str, str], per_recipient: Collection[str] = ()
) -> list[Problem]:
    """Return what is wrong with `data`; variables in `per_recipient` may be missing.

    The texts name variables and types, never values.
    """
    problems = [
        Problem(f"/data/{name}", "missing_variable", f"the template needs {name} ({kind})")
        for name, kind in variables.items()
        if name not in data and name not in per_recipient
    ]
    for name, value in data.items():
        kind = variables.get(name)
        if kind is None:
            known = ", ".join(variables) or "none"
            problems.append(Problem(f"/data/{name}", "unknown_variable", f"the template declares: {known}"))
        elif not _fits(value, kind):
            problems.append(Problem(f"/data/{name}", "wrong_type", f"must be {kind}, not {type(value).__name__}"))
    if not problems:
        problems += _size_problems(data)
    return problems


def _fits(value: object, kind: str) -> bool:
    expected = _PYTHON[kind]
    if isinstance(value, bool) and kind != "bool":
        return False
    return isinstance(value, expected)  # type: ignore[arg-type]


def _size_problems(data: Mapping[str, object]) -> list[Problem]:
    try:
        size = len(json.dumps(data, allow_nan=False).encode())
    except (TypeError, ValueError):
        return [Problem("/data", "not_plain", "use plain values only: text, numbers, true, false, lists and objects")]
    if size > MOST_BYTES:
        return [Problem("/data", "too_large", f"is {size} bytes; {MOST_BYTES} are allowed")]
    if "\\u0000" in json.dumps(data):
        return [Problem("/data", "not_text", "contains a NUL character, which no channel can carry")]
    return []
