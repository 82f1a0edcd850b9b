"""Refusals: what was refused is kept for the timeline: who asked for what and for whom, and why; never the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db import Error
from rest_framework import exceptions
from rest_framework.response import Response

from ..exceptions import RequestRejected
from ..flows.recipients import find_user_keys
from ..flows.refuse import Refusal, refuse_all
from ..messages import Address
from ..models import ApiKey
from .base import ApiView
from .errors import BodyTooLarge, KeyMissing, Malformed

_ADDRESS = ("email", "sms")
#: What is kept beside the flows' own refusals. Not who is unknown, or only has to come again later.
_KEPT_AS = {
    exceptions.ValidationError: "invalid-request",
    exceptions.PermissionDenied: "permission-denied",
    KeyMissing: "idempotency-key-missing",
    Malformed: "malformed-request",
    BodyTooLarge: "too-large",
}


class RefusalKeepingView(ApiView):
    """An address whose POST asks for messages: support must be able to see why there were none."""

    def handle_exception(self, exc: Exception) -> Response:
        """Answer with the problem, and keep it; a database that is away must not hide the refusal itself."""
        answer = super().handle_exception(exc)
        if self.request.method == "POST" and _refusal_of(exc) is not None and isinstance(self.request.auth, ApiKey):
            with suppress(Error):
                self.keep([(exc, self._body(exc))])
        return answer

    def keep(self, refused: list[tuple[object, Mapping[str, object]]]) -> None:
        """Keep those of these outcomes that are refusals; each comes with the body that asked for it."""
        found = [(refusal, body) for outcome, body in refused if (refusal := _refusal_of(outcome)) is not None]
        if not found:
            return
        users = find_user_keys(text for _, body in found if (text := _user_text(body)) is not None)
        refuse_all(
            [
                Refusal(error, str(body.get("template") or ""), _recipient(body, users), reason)
                for (error, reason), body in found
            ],
            owner=self.key.owner,
            request_id=self.request_id,
        )

    def _body(self, error: Exception) -> Mapping[str, object]:
        if isinstance(error, Malformed | BodyTooLarge):
            return {}
        try:
            body: object = self.request.data
        except exceptions.APIException:
            return {}
        return body if isinstance(body, Mapping) else {}


def _refusal_of(outcome: object) -> tuple[RequestRejected, str] | None:
    """Return the refusal that the timeline should show, and its kind; what only has to be repeated is none."""
    if isinstance(outcome, RequestRejected):
        return None if getattr(outcome, "in_flight", False) else (outcome, "")
    reason = next((slug for kind, slug in _KEPT_AS.items() if isinstance(outcome, kind)), "")
    if not reason:
        return None
    told: Any = getattr(outcome, "detail", "")
    # What a validation error says may repeat names that the caller chose; the others are our own sentences.
    fixed = reason in ("permission-denied", "malformed-request", "too-large")
    return RequestRejected(str(told) if fixed else _SENTENCES[reason]), reason


_SENTENCES = {
    "invalid-request": "The request cannot be accepted as it is.",
    "idempotency-key-missing": "The header Idempotency-Key is missing.",
}


def _user_text(body: Mapping[str, object]) -> str | None:
    """Return the look-up value in a body that may be anything, if it has one."""
    value = body.get("user")
    return str(value) if isinstance(value, str | int) else None


def _recipient(body: Mapping[str, object], users: Mapping[str, object]) -> object:
    """Return who was meant: a user's key, since a look-up value may be an address; or an address, to be hashed."""
    if (text := _user_text(body)) is not None:
        return users.get(text)
    to = body.get("to")
    given = {name: value for name, value in to.items() if name in _ADDRESS} if isinstance(to, Mapping) else {}
    return Address(**given) if given and all(isinstance(value, str) for value in given.values()) else None
