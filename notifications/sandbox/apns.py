"""Plays APNs: ``POST /3/device/{token}``, behind the HTTP/2 door of ``http2.py``.

Facts: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns and
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from .apns_faults import LONG_AGO, ApnsFault, apns_fault
from .apns_tokens import ProviderTokens
from .door import GARBAGE, NO_ID, Desk, Letter
from .limits import retry_after_value
from .modes import Mode
from .records import CarillonId, parse_carillon_id

MAX_PAYLOAD = 4096
"""Bytes; 5,120 for VoIP: https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification"""

_MAX_VOIP_PAYLOAD = 5120
_MAX_COLLAPSE_ID = 64
_PATH = "/3/device/"
_PUSH_TYPES = frozenset(
    {
        "alert",
        "background",
        "location",
        "voip",
        "complication",
        "fileprovider",
        "mdm",
        "liveactivity",
        "pushtotalk",
        "widgets",
        "controls",
    }
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MODE_REFUSALS = {
    "outage": (503, "ServiceUnavailable"),
    "rate_limited": (429, "TooManyRequests"),
    "unauthorized": (403, "InvalidProviderToken"),
    "error": (500, "InternalServerError"),
}
_KEPT = ("apns-topic", "apns-push-type", "apns-priority", "apns-expiration", "apns-collapse-id")


class Answer(NamedTuple):
    """What goes back on a stream; without a status, the stream is reset."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    delay: float = 0.0
    drip: float = 0.0


class ApnsDoor:
    """APNs as a sender of pushes sees it."""

    provider = "apns"

    def __init__(self, desk: Desk) -> None:
        """Serve with the store and the modes of ``desk``."""
        self.desk = desk
        self.tokens = ProviderTokens()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request."""
        letter, message = _read(path, body)
        apns_id = headers.get("apns-id") or str(uuid.uuid4()).upper()
        problem = _request_problem(method, path, headers) or self._locked_out(headers)
        if problem is not None:
            return self._refuse(letter, *problem, apns_id)
        limit = self.desk.limits.get(self.provider) if self.desk.limits else None
        if limit is None:
            return self._settle(letter, headers, message, len(body), apns_id)
        if limit.exceeded():
            wait = retry_after_value(limit.retry_after, as_date=limit.as_date)
            answer = _with_retry_after(self._refuse(letter, 429, "TooManyRequests", apns_id), wait)
        else:
            answer = self._settle(letter, headers, message, len(body), apns_id)
        return answer._replace(delay=answer.delay + limit.latency)

    def _locked_out(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        reason = self.tokens.verdict(headers.get("authorization"))
        if reason is None:
            return None
        return (429 if reason == "TooManyProviderTokenUpdates" else 403), reason

    def _settle(
        self, letter: Letter, headers: Mapping[str, str], message: Mapping[str, Any] | None, size: int, apns_id: str
    ) -> Answer:
        """Answer a well-formed request: as its token and payload have it, unless the mode in force has it otherwise."""
        mode = self.desk.modes.strike(self.provider)
        if mode is None:
            return self._receive(letter, headers, message, size, apns_id)
        if mode.name in ("outage", "rate_limited", "unauthorized"):
            answer = self._refuse(letter, *_MODE_REFUSALS[mode.name], apns_id)
            return _with_retry_after(answer, mode.retry_after_value()) if mode.name == "rate_limited" else answer
        if mode.name == "garbage":
            self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, 200, "garbage")
            return Answer(200, {"content-type": "text/html"}, GARBAGE.encode())
        if mode.name == "reset":
            self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, 0, "reset")
            return Answer(0)
        return _spoiled(mode, self._receive(letter, headers, message, size, apns_id), apns_id)

    def _receive(
        self, letter: Letter, headers: Mapping[str, str], message: Mapping[str, Any] | None, size: int, apns_id: str
    ) -> Answer:
        """Judge the token and the payload, keep the message, answer its id."""
        token = letter.to or ""
        gone = self.desk.gone.get(token)
        if gone is not None:
            return self._refuse(letter, 410, "Unregistered", apns_id, gone)
        fault = apns_fault(token)
        if fault is not None and (not fault.first_only or self.desk.first_time(token)):
            return self._refuse(letter, fault.http, fault.reason, apns_id, _timestamp(fault))
        if message is None or not message:
            return self._refuse(letter, 400, "PayloadEmpty", apns_id)
        if size > (_MAX_VOIP_PAYLOAD if headers.get("apns-push-type") == "voip" else MAX_PAYLOAD):
            return self._refuse(letter, 413, "PayloadTooLarge", apns_id)
        request = {name: headers[name] for name in _KEPT if name in headers}
        self.desk.store.accept("apns", (token,), letter.carillon_id, apns_id, _content(message), request)
        return Answer(200, {"apns-id": apns_id})

    def _refuse(self, letter: Letter, status: int, reason: str, apns_id: str, timestamp: int | None = None) -> Answer:
        """Write down that a request was refused, and answer so."""
        self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, status, reason)
        return _error(status, reason, apns_id, timestamp)


def _spoiled(mode: Mode, answer: Answer, apns_id: str) -> Answer:
    """Spoil the answer to what was accepted; an answer that refuses is at most late."""
    if mode.name == "slow":
        return answer._replace(delay=mode.delay)
    if mode.name == "drip":
        return answer._replace(drip=mode.delay)
    if answer.status < 300 and mode.name == "reset_after_accept":
        return Answer(0)
    if answer.status < 300 and mode.name == "error_after_accept":
        return _error(*_MODE_REFUSALS["error"], apns_id)
    return answer


def _error(status: int, reason: str, apns_id: str, timestamp: int | None = None) -> Answer:
    body: dict[str, Any] = {"reason": reason}
    if timestamp is not None:
        body["timestamp"] = timestamp
    return Answer(status, {"apns-id": apns_id, "content-type": "application/json"}, json.dumps(body).encode("ascii"))


def _with_retry_after(answer: Answer, value: str) -> Answer:
    return answer._replace(headers={**answer.headers, "retry-after": value})


def _timestamp(fault: ApnsFault) -> int | None:
    if fault.timestamp is None:
        return None
    return time.time_ns() // 1_000_000 if fault.timestamp else LONG_AGO


def _request_problem(method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
    """Return Apple's refusal of a request that is wrong whoever sends it to whom."""
    if method != "POST":
        return 405, "MethodNotAllowed"
    if not path.startswith(_PATH):
        return 404, "BadPath"
    collapse_id = headers.get("apns-collapse-id", "")
    checks = (
        (path == _PATH, "MissingDeviceToken"),
        (not headers.get("apns-topic"), "MissingTopic"),
        (headers.get("apns-push-type", "alert") not in _PUSH_TYPES, "InvalidPushType"),
        (headers.get("apns-priority", "10") not in ("1", "5", "10"), "BadPriority"),
        (not headers.get("apns-expiration", "0").isdecimal(), "BadExpirationDate"),
        (len(collapse_id.encode()) > _MAX_COLLAPSE_ID, "BadCollapseId"),
        ("apns-id" in headers and not _UUID.fullmatch(headers["apns-id"]), "BadMessageId"),
    )
    return next(((400, reason) for wrong, reason in checks if wrong), None)


def _read(path: str, body: bytes) -> tuple[Letter, Mapping[str, Any] | None]:
    """Return whom a request is for, and its payload, None if that is not a JSON object."""
    token = unquote(path.removeprefix(_PATH)) if path.startswith(_PATH) else None
    try:
        message = json.loads(body)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        return Letter(token, NO_ID), None
    return Letter(token, _carillon_id(message)), message


def _carillon_id(message: Mapping[str, Any]) -> CarillonId:
    """Return our id, which stands beside ``aps`` or in an object ``data`` there."""
    data = message.get("data")
    inner = data.get("carillon_id") if isinstance(data, dict) else None
    return parse_carillon_id(message.get("carillon_id", inner))


def _content(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person would see, and the app's own data beside it."""
    aps = message.get("aps")
    alert = aps.get("alert") if isinstance(aps, dict) else None
    if isinstance(alert, dict):
        content = {key: alert[key] for key in ("title", "body") if key in alert}
    else:
        content = {"body": alert} if isinstance(alert, str) else {}
    others = {key: value for key, value in message.items() if key != "aps"}
    return {**content, "data": others, "aps": aps}
