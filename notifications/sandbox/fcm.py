"""Plays FCM's HTTP v1 API: ``POST /fcm/v1/projects/{project}/messages:send``.

Facts: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send and
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .door import NO_ID, Desk, Letter, ProviderDoor, Refusal, json_answer, read_json
from .faults import FCM_FAULTS, FcmFault, fcm_fault
from .oauth import AccessTokens
from .records import parse_carillon_id

MAX_PAYLOAD = 4096
"""Bytes of notification and data: https://firebase.google.com/docs/cloud-messaging/customize-messages/set-message-type"""

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_GONE = FCM_FAULTS[0]
_MODE_FAULTS = {
    "outage": FcmFault("", 503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."),
    "rate_limited": FcmFault("", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded for quota metric."),
    "error": FcmFault("", 500, "INTERNAL", "INTERNAL", "Internal error encountered."),
}


class FcmDoor(ProviderDoor):
    """FCM as a sender of pushes sees it."""

    provider = "fcm"

    def __init__(self, desk: Desk, tokens: AccessTokens) -> None:
        """Accept whoever carries one of ``tokens``."""
        super().__init__(desk)
        self._tokens = tokens
        self._run = secrets.token_hex(5)
        self._serial = itertools.count()

    def add_routes(self, app: web.Application) -> None:
        """Add the route; the colon belongs to the path."""
        app.router.add_post("/fcm/v1/projects/{project}/messages:send", self.send)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer one ``messages:send``."""
        reason = self._tokens.verdict(request.headers.get("Authorization"))
        if reason is not None:
            await request.read()
            return self.refuse(Letter(None, NO_ID), _unauthenticated(reason))
        try:
            body = await read_json(request)
            letter, message = _read(body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.refuse(Letter(None, NO_ID), _invalid("Invalid JSON payload received.", "message"))
        return await self.settle(request, letter, lambda: self._receive(request, letter, message, body))

    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return Google's answer for a provider-wide fault."""
        if mode == "unauthorized":
            return _unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED")
        headers = {"Retry-After": retry_after} if mode == "rate_limited" else {}
        return _refusal(_MODE_FAULTS[mode])._replace(headers=headers)

    def _receive(
        self, request: web.Request, letter: Letter, message: Mapping[str, Any], body: Mapping[str, Any]
    ) -> web.Response:
        """Judge the address and the payload, keep the message, answer its name."""
        token = letter.to
        if not isinstance(token, str):
            return self.refuse(
                letter._replace(to=None), _invalid("Exactly one of token, topic or condition", "message")
            )
        fault = _GONE if token in self.desk.gone else fcm_fault(token)
        if fault is not None and (not fault.first_only or self.desk.first_time(token)):
            return self.refuse(letter, _refusal(fault))
        problem = _payload_problem(message)
        if problem is not None:
            return self.refuse(letter, problem)
        project = request.match_info["project"]
        if body.get("validate_only"):
            return json_answer({"name": f"projects/{project}/messages/fake_message_id"})
        stamp = time.time_ns() // 1_000
        name = f"projects/{project}/messages/0:{stamp}%{self._run}{next(self._serial):06x}"
        extras = {key: message[key] for key in ("android", "apns", "webpush", "fcm_options") if key in message}
        self.desk.store.accept("fcm", (token,), letter.carillon_id, name, _content(message), extras)
        return json_answer({"name": name})


def _read(body: Any) -> tuple[Letter, Mapping[str, Any]]:
    """Return whom a request is for, and its message; raises if it has not the shape of one."""
    message = body["message"]
    target = message.get("token") or _other_target(message)
    data, notification = message.get("data") or {}, message.get("notification") or {}
    if not isinstance(data, dict) or not isinstance(notification, dict) or not isinstance(target, str | None):
        raise TypeError("data and notification are objects, the token is text")
    return Letter(target, parse_carillon_id(data.get("carillon_id"))), message


def _other_target(message: Mapping[str, Any]) -> str | None:
    if message.get("topic"):
        return f"/topics/{message['topic']}"
    condition = message.get("condition")
    return str(condition) if condition else None


def _content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person would see, and the data beside it."""
    notification = message.get("notification") or {}
    content = {key: notification[key] for key in ("title", "body", "image") if key in notification}
    content["data"] = message.get("data") or {}
    return content


def _payload_problem(message: Mapping[str, Any]) -> Refusal | None:
    """Return Google's refusal of data that is not all strings, or of a payload that is too big."""
    data = message.get("data") or {}
    notification = message.get("notification") or {}
    for index, value in enumerate(data.values()):
        if not isinstance(value, str):
            field = f"message.data[{index}].value"
            return _invalid(f"Invalid value at '{field}' (TYPE_STRING), {json.dumps(value)}", field)
    size = sum(
        len(key.encode()) + len(str(value).encode()) for part in (data, notification) for key, value in part.items()
    )
    if size > MAX_PAYLOAD:
        return _refusal(FcmFault("", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Android message is too big"))
    return None


def _refusal(fault: FcmFault) -> Refusal:
    details: list[dict[str, Any]] = []
    if fault.error_code is not None:
        details.append({"@type": _FCM_ERROR, "errorCode": fault.error_code})
    if fault.names_token:
        violation = {"field": "message.token", "description": "Invalid registration token"}
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [violation]})
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return Refusal(
        fault.http, fault.error_code or fault.status, _error(fault.http, fault.status, fault.message, details), headers
    )


def _invalid(message: str, field: str) -> Refusal:
    details: list[dict[str, Any]] = [
        {"@type": _FCM_ERROR, "errorCode": "INVALID_ARGUMENT"},
        {"@type": _BAD_REQUEST, "fieldViolations": [{"field": field, "description": message}]},
    ]
    return Refusal(400, "INVALID_ARGUMENT", _error(400, "INVALID_ARGUMENT", message, details))


def _unauthenticated(reason: str) -> Refusal:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    info = {"@type": _ERROR_INFO, "reason": reason, "domain": "googleapis.com"}
    return Refusal(401, "UNAUTHENTICATED", _error(401, "UNAUTHENTICATED", message, [info]))


def _error(code: int, status: str, message: str, details: list[dict[str, Any]]) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = details
    return {"error": error}
