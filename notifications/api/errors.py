"""Errors: what each exception means to a caller; anything not named here is a bug and stays a 500."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.db import DataError, Error, InterfaceError, OperationalError, connections
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings

from ..exceptions import IdempotencyConflict, Problem, RequestRejected
from ..models.console_queries import TooSlow
from ..rules.masking import unquoted
from .problems import KINDS, problem

logger = logging.getLogger("notifications.api")
_SECONDS = "1"
#: What took too long now is not quicker a second later.
_LATER_SECONDS = "60"
#: What a problem says: its kind, a sentence, what is wrong where, and headers.
_Found: TypeAlias = tuple[str, str, Iterable[Problem], dict[str, str]]
_BY_STATUS = {
    kind.status: kind.slug
    for kind in KINDS.values()
    if kind.slug
    in {
        "not-authenticated",
        "permission-denied",
        "not-found",
        "method-not-allowed",
        "not-acceptable",
        "too-large",
        "unsupported-media-type",
        "too-many-requests",
    }
}


class BodyTooLarge(exceptions.APIException):
    """The body is larger than the address takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."


class Malformed(exceptions.APIException):
    """The body is not usable JSON."""

    status_code = status.HTTP_400_BAD_REQUEST

    def __init__(self, detail: str, *problems: Problem) -> None:
        super().__init__(detail)
        self.problems = problems


class KeyMissing(exceptions.APIException):
    """The Idempotency-Key header is missing."""

    status_code = status.HTTP_400_BAD_REQUEST


def handle(error: Exception, context: Mapping[str, object]) -> Response | None:
    """Return the response for an exception, or None for one that nobody foresaw.

    Raises:
        Unquoted: in place of a database's error that nobody foresaw: whoever logs it must not find the row in it.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return database_away()
    found = _described(error)
    if found is None and isinstance(error, Error):
        raise unquoted(error) from None
    if found is None:
        return None
    slug, detail, problems, headers = found
    return Response(problem(slug, detail, problems), status=KINDS[slug].status, headers=headers)


def database_away() -> Response:
    """Let go of broken connections, so that the next request gets a new one, and ask the caller to come back."""
    forget_broken_connections()
    detail = "The database cannot be reached; nothing was confirmed. Repeat the request with the same key."
    return Response(problem("database-unavailable", detail), status=503, headers={"Retry-After": _SECONDS})


def forget_broken_connections() -> None:
    """Close connections that cannot be used any more."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def slug_of(error: RequestRejected) -> str:
    """Return the kind of problem that a refusal is."""
    if isinstance(error, IdempotencyConflict):
        return "idempotency-in-flight" if error.in_flight else "idempotency-conflict"
    return error.slug if error.slug in KINDS else RequestRejected.slug


def problems_in(detail: object, pointer: str = "") -> Iterator[Problem]:
    """Yield a serializer's errors as problems with JSON pointers."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from problems_in(inner, pointer if own else f"{pointer}/{_escape(str(name))}")
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        flat = all(isinstance(item, str) for item in detail)
        for index, item in enumerate(detail):
            yield from problems_in(item, pointer if flat else f"{pointer}/{index}")
    else:
        yield Problem(pointer, str(getattr(detail, "code", "invalid")), str(detail))


def _described(error: Exception) -> _Found | None:
    for kinds, describe in _DESCRIBED:
        if isinstance(error, kinds):
            return describe(error)
    if isinstance(error, exceptions.APIException) and error.status_code in _BY_STATUS:
        headers = {}
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = str(challenge)
        if (wait := getattr(error, "wait", None)) is not None:
            headers["Retry-After"] = str(int(wait) + 1)
        return _BY_STATUS[error.status_code], str(error.detail), (), headers
    return None


def _refused(error: RequestRejected) -> _Found:
    retry = isinstance(error, IdempotencyConflict) and error.in_flight
    return slug_of(error), error.detail, error.problems, {"Retry-After": _SECONDS} if retry else {}


def _invalid(error: exceptions.ValidationError) -> _Found:
    return "invalid-request", "The request cannot be accepted as it is.", problems_in(error.detail), {}


def _unstorable(error: DataError) -> _Found:
    # Should have been refused earlier: worth a look, but no reason to fail.
    logger.error("a value reached PostgreSQL that it cannot store: %s", type(error.__cause__).__name__)
    return "invalid-request", "A value in the request cannot be stored.", (), {}


def _suspicious(error: SuspiciousOperation) -> _Found:
    many = isinstance(error, TooManyFieldsSent)
    detail = "The request has too many parameters." if many else "The request cannot be accepted as it is."
    return "invalid-request", detail, (), {}


def _key_missing(error: KeyMissing) -> _Found:
    missing = Problem("", "missing_idempotency_key", "send the header Idempotency-Key")
    return "idempotency-key-missing", "This request needs the header Idempotency-Key.", (missing,), {}


def _too_slow(_: TooSlow) -> _Found:
    detail = "What was asked for takes too long to count. Ask without it, or again later."
    return "too-slow", detail, (), {"Retry-After": _LATER_SECONDS}


_DESCRIBED: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], _Found]], ...] = (
    (RequestRejected, _refused),
    (exceptions.ValidationError, _invalid),
    (KeyMissing, _key_missing),
    (DataError, _unstorable),
    (TooSlow, _too_slow),
    (Malformed, lambda error: ("malformed-request", str(error.detail), error.problems, {})),
    (
        (exceptions.ParseError, UnreadablePostError),
        lambda _: ("malformed-request", "The body cannot be read.", (), {}),
    ),
    (RequestDataTooBig, lambda _: ("too-large", "The body is too large.", (), {})),
    (SuspiciousOperation, _suspicious),
    (Http404, lambda _: ("not-found", "There is nothing at this address.", (), {})),
    (PermissionDenied, lambda _: ("permission-denied", "This is not allowed.", (), {})),
)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
