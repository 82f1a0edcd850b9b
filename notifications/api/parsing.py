"""Parsing: one JSON value in UTF-8 that PostgreSQL can store, of a bounded size and depth, or a clear refusal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.parsers import BaseParser

from ..exceptions import Problem
from .errors import BodyTooLarge, Malformed

DEEPEST = 32
USUAL_LIMIT = 256 * 1024
_MOST_DIGITS = 18
MOST_VALUES = 250_000  # a broadcast that names as many users as it may, and as many that it leaves out
_SUSPICIOUS = ("\\u0000", "\\ud")
_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")
_TOO_DEEP = f"The body is nested more than {DEEPEST} deep."


class StrictJSONParser(BaseParser):
    """Reads JSON as RFC 8259 has it; the view's `body_limit` and `value_limit` bound it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value.

        Raises:
            BodyTooLarge, Malformed: it cannot be used; nothing of it is repeated in the text.
        """
        context = parser_context or {}
        view = context.get("view")
        limit = int(getattr(view, "body_limit", USUAL_LIMIT))
        return parse_json(read_within(stream, context, limit), int(getattr(view, "value_limit", MOST_VALUES)))


def parse_json(raw: bytes, most_values: int = MOST_VALUES) -> object:
    """Return the JSON value in these bytes.

    Raises:
        Malformed: it is not JSON in UTF-8, too deep, of too many values, gives a name twice, or holds what cannot be
            stored.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        raise Malformed("The body holds a number that cannot be used.") from None
    _check_size(value, most_values)
    lowered = text.lower()
    if any(mark in lowered for mark in _SUSPICIOUS):
        _check_texts(value)
    return value


def read_within(stream: IO[Any], context: Mapping[str, Any], limit: int) -> bytes:
    """Return a body of at most `limit` bytes.

    Raises:
        BodyTooLarge: it is larger; what is beyond is not read.
    """
    request = context.get("request")
    declared = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    if declared.isascii() and declared.isdigit() and (len(declared) > _MOST_DIGITS or int(declared) > limit):
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    raw: bytes = stream.read(limit + 1)
    if len(raw) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    return raw


def _check_size(value: object, most_values: int) -> None:
    """Count the values and levels, without recursion and no further than allowed."""
    level: list[object] = [value]
    depth = count = 0
    while level:
        count += len(level)
        inside: list[object] = []
        for item in level:
            if isinstance(item, dict | list):
                if depth > DEEPEST:
                    raise Malformed(_TOO_DEEP)
                inside += item.values() if isinstance(item, dict) else item
                if count + len(inside) > most_values:
                    raise Malformed(f"The body holds more than {most_values:,} values.")
        level, depth = inside, depth + 1


def _check_texts(value: object) -> None:
    path = _path_to_bad_text(value)
    if path is not None:
        pointer = "".join(f"/{_printable(name)}" for name in reversed(path))
        detail = "contains a NUL character or half of a surrogate pair, which cannot be stored"
        raise Malformed("The body holds text that cannot be stored.", Problem(pointer, "not_text", detail))


def _path_to_bad_text(item: object) -> list[str] | None:
    """Return the way to the first text that cannot be stored, from its end; None if there is none."""
    if isinstance(item, str):
        return [] if _BAD_TEXT.search(item) else None
    if isinstance(item, dict) and any(_BAD_TEXT.search(name) for name in item):
        return []
    if isinstance(item, dict | list):
        for name, inner in item.items() if isinstance(item, dict) else enumerate(item):
            if (path := _path_to_bad_text(inner)) is not None:
                return [*path, str(name)]
    return None


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name.replace("~", "~0").replace("/", "~1"))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object, if nothing in it is said twice: of two values one would be passed over in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("The body gives a name twice in one object.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
