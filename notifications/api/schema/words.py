"""Words in which JSON Schema (2020-12) and operations of OpenAPI 3.1 are written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """What an operation answers when it went well: its schema, a sentence, an example and headers by name."""

    says: str
    schema: Schema | None = None
    example: object = None
    headers: tuple[str, ...] = ()
    media: tuple[str, ...] = (JSON,)
    links: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """What an operation takes: a serializer or a schema for each media type, and examples of the first by name.

    `also` are serializers that the schema refers to.
    """

    content: Mapping[str, Any]
    examples: Mapping[str, object] = field(default_factory=dict)
    is_required: bool = True
    also: tuple[type, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method of one address.

    `problems` are the kinds of problem beyond those that `common` gives to every operation of its sort; `answers` are
    by status.
    """

    name: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    details: str = ""
    body: Body | None = None
    parameters: tuple[Schema, ...] = ()
    problems: tuple[str, ...] = ()


def one(about: str, optional: Iterable[str] = (), **fields: Schema) -> Schema:
    """Return an object with these fields; all are there but the `optional` ones."""
    required = [name for name in fields if name not in set(optional)]
    found: Schema = {"type": "object", "description": about, "properties": fields}
    return {**found, "required": required} if required else found


def text(about: str = "", **more: object) -> Schema:
    """Return a string."""
    return {"type": "string", **({"description": about} if about else {}), **more}


def choice(values: Iterable[str], about: str = "") -> Schema:
    """Return one of these strings."""
    return text(about, enum=[str(value) for value in values])


def whole(about: str = "", least: int = 0, **more: object) -> Schema:
    """Return a number without a fraction, from `least` on."""
    return {"type": "integer", "minimum": least, **({"description": about} if about else {}), **more}


def flag(about: str = "") -> Schema:
    """Return true or false."""
    return {"type": "boolean", **({"description": about} if about else {})}


def moment(about: str = "") -> Schema:
    """Return a time with an offset."""
    return text(about, format="date-time")


def key(about: str = "") -> Schema:
    """Return a UUID."""
    return text(about, format="uuid")


def or_null(schema: Schema) -> Schema:
    """Return the same, or null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    found = {**schema, "type": [schema["type"], "null"]}
    return {**found, "enum": [*schema["enum"], None]} if "enum" in schema else found


def many(items: Schema, about: str = "", **more: object) -> Schema:
    """Return an array."""
    return {"type": "array", "items": items, **({"description": about} if about else {}), **more}


def by_name(values: Schema, about: str = "", **more: object) -> Schema:
    """Return an object of any names, with such values."""
    return {
        "type": "object",
        "additionalProperties": values,
        **({"description": about} if about else {}),
        **more,
    }


def part(name: str) -> Schema:
    """Return a reference to one of `components.schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def page(name: str) -> Schema:
    """Return a page of a list of a part."""
    link = or_null(text("The neighbouring page; follow it as it is. Null where there is none.", format="uri"))
    return one("A page of a list.", next=link, previous=link, results=many(part(name)))


def query(name: str, about: str, schema: Schema) -> Schema:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "description": about, "schema": schema}


def header(name: str, about: str, schema: Schema, *, is_required: bool = False) -> Schema:
    """Return a header of a request."""
    found: Schema = {"name": name, "in": "header", "description": about, "schema": schema}
    return {**found, "required": True} if is_required else found
