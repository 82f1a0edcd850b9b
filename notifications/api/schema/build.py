"""Makes the document with drf-spectacular from the URL conf, the serializers and what `operations` say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiRequest

from ...enums import Scope
from ...rules.receipt_tokens import LENGTH
from .. import urls
from ..base import ApiView, NothingHere
from ..problems import KINDS
from . import broadcasts, itself, notifications, people
from .bodies import BODIES
from .common import HEADERS, SECURITY, Sort, headers_of, problem_answer, problems_of
from .parts import PARTS
from .words import Answer, Operation, Schema

OPERATIONS: Mapping[str, Operation] = {
    **notifications.OPERATIONS,
    **broadcasts.OPERATIONS,
    **people.OPERATIONS,
    **itself.OPERATIONS,
}
_TAGS = {
    "Notifications": "To one recipient, or to up to a thousand in one request.",
    "Broadcasts": "To many: one notification whose members are planned page by page.",
    "Topics": "Named lists of users.",
    "Receipts": "What a phone says became of a push message.",
    "Users": "Where users can be reached, what they want, and what is kept about them.",
    "Document": "What you are reading.",
}
_ABOUT = """\
Notify one person or a million of them over push, SMS and email. 202 means that it is stored and will be acted upon.

Bodies are JSON in UTF-8, and nothing in them is guessed: a mistake is a 400 that points at it. Times carry an offset.
Every answer has an `X-Request-Id`. Errors are `application/problem+json` (RFC 9457).

An answer may get further fields: do not refuse those that you do not know."""
_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Carillon",
    "VERSION": "1",
    "DESCRIPTION": _ABOUT,
    "SERVERS": [{"url": "/api/v1"}],
    "TAGS": [{"name": name, "description": text} for name, text in _TAGS.items()],
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "POSTPROCESSING_HOOKS": [],
}
_USER: Schema = {"type": "string", "minLength": 1, "maxLength": 254, "pattern": "^[^/]+$"}
#: Path parameters of which more can be said than their converter does.
_PATH_PARAMETERS: Mapping[str, tuple[str, Schema]] = {
    "user": ('The value of `RECIPIENT["lookup"]`.', {**_USER, "examples": ["42"]}),
    "slug": ("The topic's slug.", {"type": "string", "maxLength": 63, "pattern": "^[-a-zA-Z0-9_]+$"}),
    "token": (
        "`carillon_receipt` of the message's data.",
        {"type": "string", "pattern": f"^[-a-zA-Z0-9_]{{{LENGTH}}}$"},
    ),
}


class Undescribed(Exception):
    """An address has no description, or a description no address."""


class Described(AutoSchema):
    """An operation as `OPERATIONS` describes it."""

    @property
    def described(self) -> Operation:
        """What it does."""
        return OPERATIONS[self._label]

    @property
    def _scope(self) -> Scope | None:
        view: ApiView = self.view  # type: ignore[assignment]
        return view.scopes.get(self.method)

    @property
    def _label(self) -> str:
        return f"{self.method} /{self.path.lstrip('/')}"

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with its answers.

        Raises:
            Undescribed: nobody said what it does.
        """
        path, _, _, method, _ = args
        label = f"{method.upper()} /{path.lstrip('/')}"
        if label not in OPERATIONS:
            raise Undescribed(f"{label} is in the URL conf and in no module of notifications/api/schema")
        found: dict[str, Any] = super().get_operation(*args, **kwargs) or {}
        operation = OPERATIONS[label]
        if operation.body:
            found["requestBody"]["required"] = operation.body.is_required
            for serializer in operation.body.also:
                self.resolve_serializer(serializer, "request")
        found["parameters"] = [*map(_known_parameter, found.get("parameters", ())), *operation.parameters]
        if not found["parameters"]:
            del found["parameters"]
        if self._scope:
            found["x-scope"] = str(self._scope)
        has_key = bool(self.view.authentication_classes)
        found.setdefault("security", [])
        sort = Sort(self.method, self.path, operation.body is not None, has_key)
        found["responses"] = {
            **{str(status): _answer(status, answer) for status, answer in operation.answers.items()},
            **problems_of(sort, operation.problems),
        }
        return found

    def get_operation_id(self) -> str:
        """Return the name that clients' functions get."""
        return self.described.name

    def get_tags(self) -> list[str]:
        """Return the one chapter that it belongs to."""
        return [self.described.tag]

    def get_summary(self) -> str:
        """Return what it does in a few words."""
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]  # as its base does
        """Return what else there is to say; the scope that a key needs first."""
        scope = self._scope
        return " ".join(filter(None, [f"Scope `{scope}`." if scope else "", self.described.details]))

    def get_request_serializer(self) -> Any:
        """Return the bodies that it takes, by media type."""
        body = self.described.body
        if body is None:
            return {}
        examples = [
            OpenApiExample(name, value, summary=name, request_only=True) for name, value in body.examples.items()
        ]
        return {
            media: OpenApiRequest(schema, examples=examples if media == next(iter(body.content)) else [])
            for media, schema in body.content.items()
        }

    def get_response_serializers(self) -> Any:
        """Return nothing: answers are written, not guessed."""
        return {}


class DescribedView(OpenApiViewExtension):
    """Any view of the API, without touching it."""

    target_class = "notifications.api.base.ApiView"
    match_subclasses = True

    def view_replacement(self) -> type[ApiView]:
        """Return the view with our way to describe it."""
        made: type[ApiView] = type(self.target.__name__, (self.target,), {"schema": Described()})
        return made


class Key(OpenApiAuthenticationExtension):
    """`Authorization: Api-Key ...`."""

    target_class = "notifications.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Return what it is."""
        return dict(SECURITY["apiKey"])


class Session(OpenApiAuthenticationExtension):
    """The host's session, for `me`."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Return what it is."""
        return dict(SECURITY["session"])


def document() -> dict[str, Any]:
    """Return the whole document.

    Raises:
        Undescribed: the URL conf and the descriptions disagree.
    """
    patterns = [pattern for pattern in urls.urlpatterns if getattr(pattern.callback, "cls", None) is not NothingHere]
    with patched_settings(_SETTINGS):
        generator = SchemaGenerator(patterns=patterns)
        made: dict[str, Any] = generator.get_schema(public=True)
    made["info"]["license"] = {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"}
    _check_all_are_there(made)
    components = made["components"]
    components["schemas"] = dict(sorted({**components["schemas"], **PARTS, **BODIES}.items()))
    components["headers"] = {name: schema for name, (schema, _) in HEADERS.items()}
    components["responses"] = _shared_problems(made)
    return made


def _known_parameter(found: Schema) -> Schema:
    if found["name"] not in _PATH_PARAMETERS:
        return found
    about, schema = _PATH_PARAMETERS[found["name"]]
    return {**found, "description": about, "schema": schema}


def _answer(status: int, answer: Answer) -> Schema:
    found: Schema = {"description": answer.says, "headers": headers_of(status, answer.headers)}
    if answer.schema is not None:
        example = {} if answer.example is None else {"example": answer.example}
        found["content"] = {media: {"schema": answer.schema, **example} for media in answer.media}
    if answer.links:
        found["links"] = dict(answer.links)
    return found


def _shared_problems(made: Mapping[str, Any]) -> dict[str, Schema]:
    text = str(made["paths"])
    used = set(re.findall(r"#/components/responses/([\w-]+)", text))
    return {slug: problem_answer([KINDS[slug]]) for slug in sorted(used)}


def _check_all_are_there(made: Mapping[str, Any]) -> None:
    there = {f"{method.upper()} {path}" for path, operations in made["paths"].items() for method in operations}
    if missing := OPERATIONS.keys() - there:
        raise Undescribed(f"no address answers {', '.join(sorted(missing))}")
