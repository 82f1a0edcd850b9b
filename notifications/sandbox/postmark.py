"""Plays Postmark's email API: ``POST /postmark/email`` and ``/postmark/email/batch``.

Facts: https://postmarkapp.com/developer/api/email-api and
https://postmarkapp.com/developer/api/overview#error-codes
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any

from aiohttp import web

from .credentials import POSTMARK_SERVER_TOKEN
from .door import NO_ID, Letter, ProviderDoor, Refusal, json_answer, read_json
from .faults import PostmarkFault, postmark_fault
from .postmark_webhooks import event_webhook
from .records import Accepted, parse_carillon_id

MAX_BATCH = 500
_TOKEN = POSTMARK_SERVER_TOKEN.encode()
_INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\n"
    "Found inactive addresses: {address}.\n"
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
)
_ILLEGAL = "Error parsing 'To': Illegal email address '{address}'. It must contain the '@' symbol."
_MODE_REFUSALS = {
    "outage": (503, 100, "Maintenance. The Postmark API is offline for maintenance."),
    "rate_limited": (429, 429, "Rate limit exceeded."),
    "unauthorized": (401, 10, "Request does not contain a valid Server token."),
    "error": (500, 500, "Internal Server Error"),
}


class PostmarkDoor(ProviderDoor):
    """Postmark as a sender of email sees it."""

    provider = "postmark"

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/postmark/server", self.server)
        app.router.add_post("/postmark/email", self.single)
        app.router.add_post("/postmark/email/batch", self.batch)

    async def server(self, request: web.Request) -> web.StreamResponse:
        """Answer the server: the harmless request that proves its token."""
        if not _is_known(request):
            return self.refuse(Letter(None, NO_ID), self.mode_refusal("unauthorized", ""))
        answer = json_answer({"ID": 1, "Name": "Sandbox", "DeliveryType": "Sandbox"})
        return await self.settle(request, Letter(None, NO_ID), lambda: answer)

    async def single(self, request: web.Request) -> web.StreamResponse:
        """Answer one email."""
        email = await self._read(request)
        if isinstance(email, web.Response):
            return email
        if not isinstance(email, dict):
            return self.refuse(Letter(None, NO_ID), _error(422, 402, "Invalid JSON: expected an object."))
        letter = _letter(email)
        return await self.settle(request, letter, lambda: self._receive(letter, email))

    async def batch(self, request: web.Request) -> web.StreamResponse:
        """Answer up to 500 emails, each with an answer of its own under one HTTP 200."""
        emails = await self._read(request)
        if isinstance(emails, web.Response):
            return emails
        if not isinstance(emails, list) or not all(isinstance(email, dict) for email in emails):
            return self.refuse(Letter(None, NO_ID), _error(422, 402, "Invalid JSON: expected an array of objects."))
        if len(emails) > MAX_BATCH:
            message = f"Too many batch messages: only {MAX_BATCH} are allowed."
            return self.refuse(Letter(None, NO_ID), _error(422, 410, message))
        first = _letter(emails[0]) if emails else Letter(None, NO_ID)
        return await self.settle(request, first, lambda: self._receive_batch(emails))

    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return Postmark's answer for a provider-wide fault."""
        headers = {"Retry-After": retry_after} if mode == "rate_limited" else {}
        return _error(*_MODE_REFUSALS[mode])._replace(headers=headers)

    async def _read(self, request: web.Request) -> Any:
        """Return the JSON body, or the answer to a request that may not or cannot be read."""
        try:
            body = await read_json(request)
        except ValueError:
            return self.refuse(Letter(None, NO_ID), _error(422, 402, "Invalid JSON."))
        if not _is_known(request):
            return self.refuse(Letter(None, NO_ID), self.mode_refusal("unauthorized", ""))
        return body

    def _receive(self, letter: Letter, email: Mapping[str, Any]) -> web.Response:
        problem = self._problem(email)
        if problem is not None:
            return self.refuse(letter, problem)
        return json_answer(self._take(letter, email))

    def _receive_batch(self, emails: Sequence[Mapping[str, Any]]) -> web.Response:
        """Answer each email for itself; one that meets a 5xx fails the whole request before anything is taken."""
        problems = [self._problem(email) for email in emails]
        for email, problem in zip(emails, problems, strict=True):
            if problem is not None and problem.status >= 500:
                return self.refuse(_letter(email), problem)
        answers: list[Mapping[str, Any]] = []
        for email, problem in zip(emails, problems, strict=True):
            letter = _letter(email)
            if problem is None:
                answers.append(self._take(letter, email))
            else:
                self.desk.store.refuse("postmark", letter.to, letter.carillon_id, problem.status, problem.code)
                answers.append(problem.body)
        return json_answer(answers)

    def _take(self, letter: Letter, email: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the email, once per recipient, report on it later, and return Postmark's "OK"."""
        message_id = str(uuid.uuid4())
        recipients = [address for key in ("To", "Cc", "Bcc") for address in _addresses(email.get(key))]
        content = {
            "subject": email.get("Subject", ""),
            "text": email.get("TextBody", ""),
            "html": email.get("HtmlBody", ""),
        }
        extras = {
            key: email[key]
            for key in ("From", "ReplyTo", "Tag", "MessageStream", "Metadata", "Headers")
            if key in email
        }
        self.desk.store.accept("postmark", recipients, letter.carillon_id, message_id, content, extras)
        self._report(letter, recipients, message_id, content, extras)
        return {
            "To": email["To"],
            "SubmittedAt": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "MessageID": message_id,
            "ErrorCode": 0,
            "Message": "OK",
        }

    def _report(
        self,
        letter: Letter,
        recipients: Sequence[str],
        message_id: str,
        content: Mapping[str, Any],
        extras: Mapping[str, Any],
    ) -> None:
        """Post what becomes of the email at each recipient, if anybody listens."""
        url = self.desk.targets.postmark
        if url is None:
            return
        for recipient in recipients:
            fault = postmark_fault(recipient)
            events = ("delivered",) if fault is None or fault.http is not None else fault.events
            delivery, attempt, generation = letter.carillon_id
            accepted = Accepted(
                at="",
                provider="postmark",
                channel="email",
                to=recipient,
                delivery=delivery,
                attempt=attempt,
                generation=generation,
                provider_message_id=message_id,
                content=content,
                request=extras,
            )
            self.desk.callbacks.schedule(self.provider, [event_webhook(url, accepted, event) for event in events])

    def _problem(self, email: Mapping[str, Any]) -> Refusal | None:
        """Return Postmark's refusal of this email, if it has one."""
        recipients = _addresses(email.get("To"))
        if not email.get("From"):
            return _error(422, 300, "Invalid 'From' address: ''.")
        if not recipients:
            return _error(422, 300, "Zero recipients specified")
        if not email.get("TextBody") and not email.get("HtmlBody"):
            return _error(422, 300, "Provide email with either TextBody or HtmlBody or both.")
        for address in recipients:
            if "@" not in address:
                return _error(422, 300, _ILLEGAL.format(address=address))
            fault = postmark_fault(address)
            refused = fault is not None and fault.http is not None
            if fault is not None and refused and (not fault.first_only or self.desk.first_time(address)):
                return _refusal(fault, address)
        return None


def _is_known(request: web.Request) -> bool:
    """Whether a request carries the server's token."""
    return hmac.compare_digest(request.headers.get("X-Postmark-Server-Token", "").encode(), _TOKEN)


def _letter(email: Mapping[str, Any]) -> Letter:
    metadata = email.get("Metadata")
    value = metadata.get("carillon_id") if isinstance(metadata, dict) else None
    return Letter(next(iter(_addresses(email.get("To"))), None), parse_carillon_id(value))


def _addresses(value: object) -> list[str]:
    """Return the bare addresses of a To, Cc or Bcc; the plain single address is the hot path."""
    if not isinstance(value, str) or not value:
        return []
    if "<" not in value and "," not in value and '"' not in value:
        return [value.strip()]
    return [address for _, address in getaddresses([value]) if address]


def _refusal(fault: PostmarkFault, address: str) -> Refusal:
    status = fault.http or 500
    if fault.error_code == 406:
        return _error(status, 406, _INACTIVE.format(address=address.lower()))
    if fault.word == "invalid":
        return _error(status, 300, f"Invalid 'To' address: '{address}'.")
    return _error(status, fault.error_code or status, fault.message)


def _error(status: int, code: int, message: str) -> Refusal:
    return Refusal(status, str(code), {"ErrorCode": code, "Message": message})
