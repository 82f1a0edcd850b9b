"""What the page of the document shows: chapters of operations, and the parts that their bodies are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_PARTS = "#/components/schemas/"
_PROBLEMS = "application/problem+json"


@dataclass(frozen=True)
class Row:
    """A field or parameter: its name, type and meaning, and whether it has to be there."""

    name: str
    type: SafeString
    about: SafeString
    is_required: bool = False


@dataclass(frozen=True)
class Content:
    """A body: its media type, what it is, and examples by title."""

    media: str
    type: SafeString
    examples: Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """An answer that is no problem."""

    status: str
    says: SafeString
    headers: tuple[str, ...]
    content: tuple[Content, ...]


@dataclass(frozen=True)
class Shown:
    """An operation as the page shows it; `problems` are kinds by status."""

    name: str
    method: str
    path: str
    summary: str
    about: SafeString
    rows: tuple[Row, ...]
    body: tuple[Content, ...]
    answers: tuple[Answered, ...]
    problems: tuple[tuple[str, tuple[str, ...]], ...]


def chapters(document: Mapping[str, Any]) -> list[tuple[Mapping[str, str], list[Shown]]]:
    """Return the chapters with their operations."""
    found: dict[str, list[Shown]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_shown(document, method.upper(), path, operation))
    return [(tag, found[tag["name"]]) for tag in document["tags"]]


def parts(document: Mapping[str, Any]) -> list[tuple[str, SafeString, list[Row]]]:
    """Return the parts by name, with what they are and their fields."""
    schemas = document["components"]["schemas"]
    return [(name, _about(schema), list(_fields(schema))) for name, schema in schemas.items()]


def marked(text: str) -> SafeString:
    """Return a text in which what stands between backticks is code."""
    pieces = (format_html("<code>{}</code>" if odd else "{}", piece) for odd, piece in _alternating(text.split("`")))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def type_of(schema: Mapping[str, Any]) -> SafeString:
    """Return what a schema takes, in a few words; a part is linked."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_PARTS)
        return format_html('<a href="#part-{}">{}</a>', name, name)
    for word in ("oneOf", "anyOf"):
        if word in schema and "properties" not in schema:
            return _joined(" or ", (type_of(inner) for inner in schema[word]))
    if "const" in schema:
        return format_html("<code>{}</code>", json.dumps(schema["const"], ensure_ascii=False))
    if "enum" in schema:
        return _joined(", ", (format_html("<code>{}</code>", json.dumps(value)) for value in schema["enum"]))
    kinds = schema.get("type", "anything")
    return _joined(" or ", (_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)))


def _shown(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Shown:
    responses = {status: _resolved(document, answer) for status, answer in operation["responses"].items()}
    return Shown(
        operation["operationId"],
        method,
        path,
        operation["summary"],
        marked(operation.get("description", "")),
        tuple(_parameter(one) for one in operation.get("parameters", ())),
        tuple(_contents(operation.get("requestBody", {}))),
        tuple(
            Answered(status, marked(answer["description"]), tuple(answer.get("headers", ())), tuple(_contents(answer)))
            for status, answer in responses.items()
            if _PROBLEMS not in answer.get("content", {})
        ),
        tuple(
            (status, tuple(answer["content"][_PROBLEMS]["examples"]))
            for status, answer in responses.items()
            if _PROBLEMS in answer.get("content", {})
        ),
    )


def _parameter(one: Mapping[str, Any]) -> Row:
    place = "" if one["in"] == "path" else f" ({one['in']})"
    return Row(
        one["name"] + place, type_of(one["schema"]), marked(one.get("description", "")), bool(one.get("required"))
    )


def _contents(found: Mapping[str, Any]) -> Iterator[Content]:
    for media, content in found.get("content", {}).items():
        given = content.get("examples", {})
        examples = {item.get("summary", title): item["value"] for title, item in given.items()}
        examples |= {"": content["example"]} if "example" in content else {}
        yield Content(media, type_of(content["schema"]), {title: _text(value) for title, value in examples.items()})


def _fields(schema: Mapping[str, Any]) -> Iterator[Row]:
    # Of what is answered, all is there; it is what is taken that knows no further fields.
    required = schema.get("required", ()) if schema.get("additionalProperties") is False else ()
    for form in schema.get("oneOf", ()) if "properties" not in schema else ():
        yield Row(", ".join(form["properties"]), type_of(form), _about(form))
    for name, inner in schema.get("properties", {}).items():
        yield Row(name, type_of(inner), _about(inner), name in required)


def _about(schema: Mapping[str, Any]) -> SafeString:
    return marked(str(schema.get("description", "")))


def _kind(kind: str, schema: Mapping[str, Any]) -> SafeString:
    if kind == "array":
        return format_html("list of {}", type_of(schema.get("items", {})))
    if kind == "object" and "properties" in schema:
        return format_html("{{{}}}", _joined(", ", (format_html("{}", name) for name in schema["properties"])))
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return format_html("object of {}", type_of(schema["additionalProperties"]))
    if kind == "string":
        return format_html("{}{}", schema.get("format", kind), _bounds(schema, "minLength", "maxLength"))
    if kind in {"integer", "number"}:
        return format_html("{}{}", kind, _bounds(schema, "minimum", "maximum"))
    return format_html("{}", kind)


def _bounds(schema: Mapping[str, Any], least: str, most: str) -> str:
    if most in schema:
        return f" of {schema[least]:,} to {schema[most]:,}" if least in schema else f" of up to {schema[most]:,}"
    return f" from {schema[least]:,}" if schema.get(least, 0) > 1 else ""


def _joined(between: str, pieces: Iterable[SafeString]) -> SafeString:
    return format_html_join(mark_safe(between), "{}", ((piece,) for piece in pieces))  # noqa: S308 - two constants


def _alternating(pieces: Iterable[str]) -> Iterator[tuple[bool, str]]:
    for number, piece in enumerate(pieces):
        yield bool(number % 2), piece


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _resolved(document: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in found:
        return found
    resolved: Mapping[str, Any] = document["components"]["responses"][str(found["$ref"]).rpartition("/")[2]]
    return resolved
