"""What the document says of an answer, so that any test of the API may ask whether that is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs

from notifications.api.schema.text import packaged

PREFIX = "/api/v1"


@cache
def document() -> dict[str, Any]:
    """Return the document, with objects that know no further fields: what an answer has beyond them is undescribed."""
    made: dict[str, Any] = json.loads(packaged())
    _close(made)
    return made


@cache
def operations() -> Mapping[str, Any]:
    """Return operations by "METHOD /path/"."""
    paths = document()["paths"]
    return {f"{method.upper()} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def assert_described(method: str, url: str, answer: Any) -> None:
    """Fail if the document does not foresee an answer: its status, content type, headers or schema."""
    path = unquote(urlsplit(url).path)
    if not path.startswith(f"{PREFIX}/") or _is_to_browse(path, answer):
        return
    templates = [found for found in document()["paths"] if _pattern(found).fullmatch(path.removeprefix(PREFIX))]
    if not templates:
        assert answer.status_code == 404, f"{method} {path} is in no path of the document"
        return
    templates.sort(key=lambda one: one.count("{"))  # what is spelt out comes before what stands for anything
    templates = [one for one in templates if one.count("{") == templates[0].count("{")]
    found = next((operations()[name] for one in templates if (name := f"{method} {one}") in operations()), None)
    if found is None:
        assert answer.status_code in {404, 405} or method in {"HEAD", "OPTIONS"}, f"{method} {path} is not described"
        return
    problems = list(problems_with(found, answer))
    assert not problems, f"{method} {path} answered {answer.status_code}: {problems} {answer.content[:500]!r}"


def problems_with(operation: Mapping[str, Any], answer: Any) -> Iterator[str]:
    """Yield what in an answer an operation's description does not foresee."""
    described = operation["responses"].get(str(answer.status_code))
    if described is None:
        yield f"the status {answer.status_code} is not described"
        return
    described = resolved(described)
    for name, header in described.get("headers", {}).items():
        if name not in answer and resolved(header).get("required"):
            yield f"the header {name} is missing"
    content = described.get("content", {})
    if not content:
        if answer.content:
            yield "a body is not described"
        return
    media = answer["Content-Type"].partition(";")[0]
    if media not in content:
        yield f"the content type {media} is not described"
    elif media.endswith("json"):
        yield from mistakes(content[media]["schema"], answer.json())


def mistakes(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    """Yield where a value is not what a schema of the document says."""
    validator = _validator(json.dumps(schema, sort_keys=True))
    yield from (f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value))


def resolved(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference leads to, or the same."""
    while "$ref" in found:
        at: Any = document()
        for step in str(found["$ref"]).removeprefix("#/").split("/"):
            at = at[step]
        found = at
    return found


def _is_to_browse(path: str, answer: Any) -> bool:
    """Whether it is a page to click through, which only a developer's project has."""
    return str(answer.get("Content-Type", "")).startswith("text/html") and not path.endswith("/docs/")


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)))


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        for inner in schema.values():
            _close(inner)
        if schema.get("type") == "object" and "required" in schema and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for inner in schema:
            _close(inner)
