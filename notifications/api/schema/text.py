"""The document as text: JSON and YAML, without a library, so that serving it needs none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/{}$][A-Za-z0-9_./{}$-]*")
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")  # JSON takes them as they are, YAML does not
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


@cache
def packaged() -> str:
    """Return the document as it was made, in JSON."""
    return files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")


def served(base: str) -> dict[str, Any]:
    """Return the document with the address under which the API lives."""
    found: dict[str, Any] = json.loads(packaged())
    return {**found, "servers": [{"url": base}]}


def as_json(document: object) -> str:
    """Return JSON that people and diffs can read."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def as_yaml(document: object) -> str:
    """Return YAML 1.2: mappings and lists as blocks, everything else as JSON, which YAML reads alike."""
    return "\n".join(_lines(document)) + "\n"


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _entry(f"{_name(str(name))}:", inner, "  ")
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _entry("-", inner, "  ")
    else:
        yield _scalar(value)


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    lines = _lines(value)
    if isinstance(value, dict | list) and value:
        first = next(lines)
        if head == "-":
            yield f"- {first}"
        else:
            yield head
            yield indent + first
        yield from (indent + line for line in lines)
    else:
        yield f"{head} {next(lines)}"


def _name(name: str) -> str:
    is_plain = _PLAIN.fullmatch(name) and "{" not in name[:1] and name.lower() not in _WORDS
    return name if is_plain else _scalar(name)


def _scalar(value: object) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
