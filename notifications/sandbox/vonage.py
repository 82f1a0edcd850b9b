"""Plays Vonage's SMS API: ``POST /vonage/sms/json``, where nearly every answer is an HTTP 200 with a status inside.

Facts: https://developer.vonage.com/en/api/sms and
https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms
"""

from __future__ import annotations

import hmac
import re
import uuid
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .credentials import VONAGE_API_KEY, VONAGE_API_SECRET
from .door import NO_ID, Letter, ProviderDoor, Refusal, json_answer, read_json
from .records import Accepted, parse_carillon_id
from .segments import count_segments
from .vonage_faults import DELIVERED, VonageFault, vonage_fault
from .vonage_webhooks import delivery_receipt

MAX_CLIENT_REF = 100
"""Characters: https://developer.vonage.com/en/api/sms"""

_MAX_BODY = 3200
_NUMBER = re.compile(r"\+?[1-9]\d{6,14}")
_SENDER = re.compile(r"\+?\d{3,15}|[A-Za-z0-9 ]{1,11}")
_MODE_FAULTS = {
    "outage": VonageFault("", "Service Unavailable", http=503),
    "rate_limited": VonageFault("", "Too Many Requests", http=429),
    "unauthorized": VonageFault("", "Bad Credentials", status=4),
    "error": VonageFault("", "Internal Server Error", http=500),
}
_KEPT = ("from", "client-ref", "callback", "type", "ttl", "status-report-req")


class VonageDoor(ProviderDoor):
    """Vonage as a sender of SMS sees it."""

    provider = "vonage"

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of messages and of the balance, the harmless request that proves credentials."""
        app.router.add_post("/vonage/sms/json", self.send)
        app.router.add_get("/vonage/account/get-balance", self.balance)

    async def balance(self, request: web.Request) -> web.StreamResponse:
        """Answer the account's balance."""
        if not _known(request, request.query):
            body = {"error-code": "401", "error-code-label": "authentication failed"}
            return self.refuse(Letter(None, NO_ID), Refusal(401, "401", body))
        answer = json_answer({"value": 100.0, "autoReload": False})
        return await self.settle(request, Letter(None, NO_ID), lambda: answer)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer one message."""
        form = await _form(request)
        letter = Letter(_number(form.get("to", "")), parse_carillon_id(form.get("client-ref")))
        if not _known(request, form):
            return self.refuse(letter, _refusal(_MODE_FAULTS["unauthorized"]))
        return await self.settle(request, letter, lambda: self._receive(letter, form))

    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return Vonage's answer for a provider-wide fault."""
        headers = {"Retry-After": retry_after} if mode == "rate_limited" else {}
        return _refusal(_MODE_FAULTS[mode])._replace(headers=headers)

    def _receive(self, letter: Letter, form: Mapping[str, str]) -> web.Response:
        """Judge the request and the number, keep the message, answer it and report on it later."""
        problem = _form_problem(form)
        if problem is not None:
            return self.refuse(letter, _refusal(problem))
        to = letter.to or ""
        fault = vonage_fault(to)
        if fault is not None and fault.refuses and (not fault.first_only or self.desk.first_time(to)):
            return self.refuse(letter, _refusal(fault))
        segments = count_segments(form["text"])
        parts = [str(uuid.uuid4()) for _ in range(segments.parts)]
        content = {"text": form["text"], "segments": segments.parts, "encoding": segments.encoding}
        request = {key: form[key] for key in _KEPT if key in form}
        self.desk.store.accept("vonage", (to,), letter.carillon_id, parts[0], content, request)
        self._report(to, parts[0], request, fault)
        return json_answer({"message-count": str(len(parts)), "messages": [_part(part, form) for part in parts]})

    def _report(self, to: str, message_id: str, request: Mapping[str, str], fault: VonageFault | None) -> None:
        """Post the receipts that this number's fault lets come, if anybody listens."""
        url = request.get("callback") or self.desk.targets.vonage
        if url is None or request.get("status-report-req") in ("0", "false"):
            return
        accepted = Accepted("", "vonage", "sms", to, None, None, message_id, content={}, request=request)
        receipts = DELIVERED if fault is None or fault.refuses else fault.receipts
        self.desk.callbacks.schedule(
            self.provider, [delivery_receipt(url, accepted, status, code) for status, code in receipts]
        )


async def _form(request: web.Request) -> dict[str, str]:
    """Return the parameters, which come as a form or as JSON."""
    if request.content_type == "application/json":
        try:
            body = await read_json(request)
        except ValueError:
            return {}
        return {key: str(value) for key, value in body.items()} if isinstance(body, dict) else {}
    return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}


def _known(request: web.Request, form: Mapping[str, str]) -> bool:
    """Say whether key and secret, among the parameters or in the header, are the sandbox's."""
    key, secret = form.get("api_key", ""), form.get("api_secret", "")
    given = request.headers.get("Authorization", "")
    if given.startswith("Basic "):
        try:
            key, _, secret = b64decode(given.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            return False
    wanted = f"{VONAGE_API_KEY}:{VONAGE_API_SECRET}"
    return hmac.compare_digest(f"{key}:{secret}".encode(), wanted.encode())


def _number(given: str) -> str | None:
    """Return a number as the file has it, with its plus sign: Vonage itself wants none."""
    return f"+{given.removeprefix('+')}" if given else None


def _form_problem(form: Mapping[str, str]) -> VonageFault | None:
    """Return Vonage's refusal of parameters that are missing or make no sense."""
    missing = next((name for name in ("from", "to", "text") if not form.get(name)), None)
    if missing is not None:
        return VonageFault("", f"Missing `{missing}` param", status=2)
    checks = (
        (not _NUMBER.fullmatch(form["to"]), 3, "Invalid value for param: to"),
        (len(form.get("client-ref", "")) > MAX_CLIENT_REF, 3, "Invalid value for param: client-ref"),
        (form.get("type", "text") not in ("text", "unicode", "binary"), 3, "Invalid value for param: type"),
        (not _SENDER.fullmatch(form["from"]), 15, "Illegal Sender Address - rejected"),
        (len(form["text"]) > _MAX_BODY, 12, "Message Too Long"),
    )
    return next((VonageFault("", message, status=status) for wrong, status, message in checks if wrong), None)


def _refusal(fault: VonageFault) -> Refusal:
    if fault.http != 200:
        body: dict[str, Any] = {"title": fault.message, "detail": fault.message, "instance": uuid.uuid4().hex}
        headers = {"Retry-After": "2"} if fault.http == 429 else {}
        return Refusal(fault.http, str(fault.http), body, headers)
    messages = [{"status": str(fault.status), "error-text": fault.message}]
    return Refusal(200, str(fault.status), {"message-count": "1", "messages": messages})


def _part(message_id: str, form: Mapping[str, str]) -> dict[str, str]:
    """Return one part of a message, as Vonage's answer shows it."""
    part = {
        "to": form["to"].removeprefix("+"),
        "message-id": message_id,
        "status": "0",
        "remaining-balance": "3.14159265",
        "message-price": "0.03330000",
        "network": "12345",
    }
    return {**part, "client-ref": form["client-ref"]} if "client-ref" in form else part
