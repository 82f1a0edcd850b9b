"""Plays Resend's email API: ``POST /resend/emails`` and ``/resend/emails/batch``, with its idempotency keys.

Facts: https://resend.com/docs/api-reference/emails/send-email, https://resend.com/docs/api-reference/errors and
https://resend.com/docs/dashboard/emails/idempotency-keys
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from email.utils import getaddresses
from typing import Any

from aiohttp import web

from .credentials import RESEND_API_KEY
from .door import NO_ID, Desk, Letter, ProviderDoor, Refusal, json_answer, read_json
from .idempotency import MAX_KEY, IdempotencyKeys
from .records import Accepted, parse_carillon_id
from .resend_faults import DELIVERED, resend_fault
from .resend_webhooks import event_webhook

MAX_BATCH = 100
_BEARER = f"Bearer {RESEND_API_KEY}".encode()
_MODE_REFUSALS = {
    "outage": (503, "service_unavailable", "Resend is undergoing maintenance."),
    "rate_limited": (429, "rate_limit_exceeded", "Too many requests. You can only make 2 requests per second."),
    "unauthorized": (401, "restricted_api_key", "This API key is restricted to only send emails."),
    "error": (500, "application_error", "An unexpected error occurred."),
}
_OTHER_BODY = "This idempotency key has already been used on a request that had a different payload."
_IN_FLIGHT = "Another request with the same idempotency key is in progress."
_KEPT = ("from", "reply_to", "headers", "tags", "scheduled_at")


class ResendDoor(ProviderDoor):
    """Resend as a sender of email sees it."""

    provider = "resend"

    def __init__(self, desk: Desk) -> None:
        """Take up the idempotency keys of an earlier run on the same file."""
        super().__init__(desk)
        self._keys = IdempotencyKeys(desk.store.file, self.provider)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/resend/domains", self.domains)
        app.router.add_post("/resend/emails", self.single)
        app.router.add_post("/resend/emails/batch", self.batch)

    async def domains(self, request: web.Request) -> web.StreamResponse:
        """Answer the account's domains: the harmless request that proves its key."""
        denied = _denied(request)
        if denied is not None:
            return self.refuse(Letter(None, NO_ID), denied)
        answer = json_answer({"object": "list", "data": []})
        return await self.settle(request, Letter(None, NO_ID), lambda: answer)

    async def single(self, request: web.Request) -> web.StreamResponse:
        """Answer one email."""
        return await self._send(request, batch=False)

    async def batch(self, request: web.Request) -> web.StreamResponse:
        """Answer up to 100 emails at once; one that is refused fails them all."""
        return await self._send(request, batch=True)

    async def _send(self, request: web.Request, *, batch: bool) -> web.StreamResponse:
        try:
            body = await read_json(request)
        except ValueError:
            body = None
        denied = _denied(request)
        if denied is not None:
            return self.refuse(Letter(None, NO_ID), denied)
        emails = body if batch else [body]
        if not isinstance(emails, list) or not emails or not all(isinstance(email, dict) for email in emails):
            return self.refuse(Letter(None, NO_ID), _error(422, "validation_error", "The request body is not valid."))
        letter, key = _letter(emails[0]), request.headers.get("Idempotency-Key")
        with self._keys.holding() as held:
            return await self.settle(request, letter, lambda: self._keyed(letter, key, emails, held, batch=batch))

    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return Resend's answer for a provider-wide fault."""
        headers = {"Retry-After": retry_after} if mode == "rate_limited" else {}
        return _error(*_MODE_REFUSALS[mode])._replace(headers=headers)

    def _keyed(
        self, letter: Letter, key: str | None, emails: Sequence[Mapping[str, Any]], held: set[str], *, batch: bool
    ) -> web.Response:
        """Answer as before what this key asked for before; else take it in."""
        if key is None:
            return self._receive(letter, emails, {}, batch=batch)
        if not 1 <= len(key) <= MAX_KEY:
            return self.refuse(letter, _error(400, "invalid_idempotency_key", "The key must be 1-256 characters."))
        digest = hashlib.sha256(json.dumps(emails, sort_keys=True).encode()).hexdigest()
        known = self._keys.get(key)
        if known is not None and self._keys.in_flight(key):
            return self.refuse(letter, _error(409, "concurrent_idempotent_requests", _IN_FLIGHT))
        if known is not None and known.digest != digest:
            return self.refuse(letter, _error(409, "invalid_idempotent_request", _OTHER_BODY))
        if known is not None:
            self.desk.store.replay(self.provider, letter.to, letter.carillon_id)
            return json_answer(_answer(known.message_ids, batch=batch))
        answer = self._receive(letter, emails, {"Idempotency-Key": key, "digest": digest}, batch=batch)
        if answer.status == 200:
            self._keys.hold(key, held)
        return answer

    def _receive(
        self, letter: Letter, emails: Sequence[Mapping[str, Any]], extras: Mapping[str, str], *, batch: bool
    ) -> web.Response:
        """Judge all, then keep all."""
        if len(emails) > MAX_BATCH:
            return self.refuse(letter, _error(422, "validation_error", f"At most {MAX_BATCH} emails in a batch."))
        for email in emails:
            problem = self._problem(email)
            if problem is not None:
                return self.refuse(_letter(email), problem)
        ids = [self._take(email, extras) for email in emails]
        if extras:
            self._keys.put(extras["Idempotency-Key"], extras["digest"], ids)
        return json_answer(_answer(ids, batch=batch))

    def _take(self, email: Mapping[str, Any], extras: Mapping[str, str]) -> str:
        """Keep one email, once per recipient, and report on it later; return its id."""
        message_id, letter = str(uuid.uuid4()), _letter(email)
        recipients = [address for key in ("to", "cc", "bcc") for address in _addresses(email.get(key))]
        content = {"subject": email.get("subject", ""), "text": email.get("text", ""), "html": email.get("html", "")}
        request = {**{key: email[key] for key in _KEPT if key in email}, **extras}
        # The inbox shows the sender of every email under the one name.
        request["From"] = email.get("from", "")
        self.desk.store.accept(self.provider, recipients, letter.carillon_id, message_id, content, request)
        url = self.desk.targets.resend
        for recipient in recipients if url is not None else ():
            fault = resend_fault(recipient)
            events = DELIVERED if fault is None or fault.http != 200 else fault.events
            accepted = Accepted("", self.provider, "email", recipient, None, None, message_id, content, request)
            self.desk.callbacks.schedule(self.provider, [event_webhook(str(url), accepted, event) for event in events])
        return message_id

    def _problem(self, email: Mapping[str, Any]) -> Refusal | None:
        """Return Resend's refusal of this email, if it has one."""
        missing = next((name for name in ("from", "to", "subject") if not email.get(name)), None)
        if missing is not None:
            return _error(422, "missing_required_field", f"Missing `{missing}` field.")
        if not email.get("text") and not email.get("html"):
            return _error(422, "missing_required_field", "Missing `html` or `text` field.")
        for address in _addresses(email["to"]):
            if "@" not in address:
                return _error(422, "validation_error", f"Invalid `to` field. The email address {address} is not valid.")
            fault = resend_fault(address)
            if fault is None or fault.http == 200 or (fault.first_only and not self.desk.first_time(address)):
                continue
            refusal = _error(fault.http, fault.name, fault.message.format(address=address))
            return refusal._replace(headers={"Retry-After": "2"}) if fault.word == "quota" else refusal
        return None


def _denied(request: web.Request) -> Refusal | None:
    """Return the refusal of a request without the account's key."""
    given = request.headers.get("Authorization", "").encode()
    if hmac.compare_digest(given, _BEARER):
        return None
    name, text = ("invalid_api_key", "API key is invalid") if given else ("missing_api_key", "Missing API Key")
    return _error(403 if given else 401, name, text)


def _letter(email: Mapping[str, Any]) -> Letter:
    """Return whom an email is for; our id is in the headers, by itself or as anymail's metadata."""
    headers = email.get("headers")
    named = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    value = named.get("x-carillon-id")
    if value is None and isinstance(named.get("x-metadata"), str):
        try:
            metadata = json.loads(named["x-metadata"])
        except ValueError:
            metadata = None
        value = metadata.get("carillon_id") if isinstance(metadata, dict) else None
    return Letter(next(iter(_addresses(email.get("to"))), None), parse_carillon_id(value))


def _addresses(value: object) -> list[str]:
    """Return the bare addresses of a field that is one address or a list of them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        return []
    return [address for _, address in getaddresses([str(item) for item in given]) if address]


def _answer(ids: Sequence[str], *, batch: bool) -> dict[str, Any]:
    return {"data": [{"id": message_id} for message_id in ids]} if batch else {"id": ids[0]}


def _error(status: int, name: str, message: str) -> Refusal:
    return Refusal(status, name, {"statusCode": status, "name": name, "message": message})
