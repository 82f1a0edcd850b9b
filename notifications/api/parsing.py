"""Parsing: one JSON value in UTF-8 that PostgreSQL can store, of a bounded size and depth, or a clear refusal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from rest_framework.parsers import BaseParser

from ..exceptions import Problem
from .errors import BodyTooLarge, Malformed

DEEPEST = 32
USUAL_LIMIT = 256 * 1024
_SUSPICIOUS = ("\\u0000", "\\ud")


class StrictJSONParser(BaseParser):
    """Reads JSON as RFC 8259 has it; the view's `body_limit` bounds it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value.

        Raises:
            BodyTooLarge, Malformed: it cannot be used; nothing of it is repeated in the text.
        """
        context = parser_context or {}
        limit = int(getattr(context.get("view"), "body_limit", USUAL_LIMIT))
        return parse_json(_read(stream, context, limit))


def parse_json(raw: bytes) -> object:
    """Return the JSON value in these bytes.

    Raises:
        Malformed: it is not JSON in UTF-8, too deep, or holds what cannot be stored.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed(f"The body is nested more than {DEEPEST} deep.") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        raise Malformed("The body holds a number that cannot be used.") from None
    lowered = text.lower()
    _check(value, texts=any(mark in lowered for mark in _SUSPICIOUS))
    return value


def _read(stream: IO[Any], context: Mapping[str, Any], limit: int) -> bytes:
    request = context.get("request")
    declared = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    raw: bytes = stream.read(limit + 1)
    if len(raw) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    return raw


def _check(value: object, *, texts: bool) -> None:
    """Walk the value without recursion; texts are looked at only where the body may hold a bad one."""
    waiting: list[tuple[object, tuple[str, ...]]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        if len(path) > DEEPEST:
            raise Malformed(f"The body is nested more than {DEEPEST} deep.")
        if texts:
            _check_text(item, path)
        if isinstance(item, dict | list):
            waiting += [(inner, (*path, name)) for name, inner in _inside(item, texts=texts)]


def _inside(item: dict[str, object] | list[object], *, texts: bool) -> Iterator[tuple[str, object]]:
    pairs = item.items() if isinstance(item, dict) else enumerate(item)
    return ((str(name), inner) for name, inner in pairs if texts or isinstance(inner, dict | list))


def _check_text(item: object, path: tuple[str, ...]) -> None:
    found = list(item) if isinstance(item, dict) else [item]
    for text in found:
        if isinstance(text, str) and ("\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)):
            pointer = "".join(f"/{_printable(name)}" for name in path)
            detail = "contains a NUL character or half of a surrogate pair, which cannot be stored"
            raise Malformed("The body holds text that cannot be stored.", Problem(pointer, "not_text", detail))


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name.replace("~", "~0").replace("/", "~1"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
