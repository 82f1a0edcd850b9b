"""Plays Twilio's Messages API, and the status callbacks and inbound messages that Twilio posts, signed.

Facts: https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/api/errors,
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from aiohttp import web

from .credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN
from .door import NO_ID, Desk, Letter, ProviderDoor, Refusal, json_answer
from .faults import TWILIO_SENDER_FAULTS, TwilioFault, twilio_fault
from .records import CarillonId, parse_carillon_id
from .segments import count_segments
from .twilio_webhooks import status_callback

MAX_BODY = 1600
_API = "/twilio/2010-04-01/Accounts"
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SENDER = re.compile(r"\+?\d{3,15}|[A-Za-z0-9 ]{1,11}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_BASIC = "Basic " + b64encode(f"{TWILIO_ACCOUNT_SID}:{TWILIO_AUTH_TOKEN}".encode()).decode()
_STOPPED = TwilioFault("", 21610, "Attempt to send to unsubscribed recipient", http=400)
_MODE_FAULTS = {
    "outage": TwilioFault("", 20503, "Service Unavailable", http=503),
    "rate_limited": TwilioFault("", 20429, "Too Many Requests", http=429),
    "unauthorized": TwilioFault("", 20003, "Authenticate", http=401),
    "error": TwilioFault("", 20500, "Internal Server Error", http=500),
}


class TwilioDoor(ProviderDoor):
    """Twilio as a sender of SMS sees it."""

    provider = "twilio"

    def __init__(self, desk: Desk) -> None:
        """Number messages from a start of this run's own."""
        super().__init__(desk)
        self._run = secrets.token_hex(10)
        self._serial = 0

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of messages and of the account itself."""
        app.router.add_post(_API + "/{sid}/Messages.json", self.send)
        app.router.add_get(_API + "/{sid}.json", self.account)

    async def account(self, request: web.Request) -> web.StreamResponse:
        """Answer the account: the harmless request that proves credentials."""
        denied = _denied(request)
        if denied is not None:
            return self.refuse(Letter(None, NO_ID), denied)
        return await self.settle(request, Letter(None, NO_ID), lambda: json_answer(_ACCOUNT))

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer one message."""
        raw = await request.read()
        denied = _denied(request)
        if denied is not None:
            return self.refuse(Letter(None, NO_ID), denied)
        form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
        callback = form.get("StatusCallback")
        letter = Letter(form.get("To"), _carillon_id(callback))
        return await self.settle(request, letter, lambda: self._receive(letter, form))

    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return Twilio's answer for a provider-wide fault."""
        headers = {"Retry-After": retry_after} if mode == "rate_limited" else {}
        return _refusal(_MODE_FAULTS[mode])._replace(headers=headers)

    def _receive(self, letter: Letter, form: Mapping[str, str]) -> web.Response:
        """Judge the request and the number, keep the message, answer it and report on it later."""
        problem = _form_problem(form)
        if problem is not None:
            return self.refuse(letter, problem)
        to = form["To"]
        fault = _STOPPED if to in self.desk.stopped else twilio_fault(to)
        if fault is not None and fault.http is not None and (not fault.first_only or self.desk.first_time(to)):
            return self.refuse(letter, _refusal(fault))
        self._serial += 1
        sid = f"SM{self._run[:20]}{self._serial:012x}"
        segments = count_segments(form["Body"])
        content = {"text": form["Body"], "segments": segments.parts, "encoding": segments.encoding}
        request = {key: form[key] for key in ("From", "MessagingServiceSid", "StatusCallback") if key in form}
        self.desk.store.accept("twilio", (to,), letter.carillon_id, sid, content, request)
        if "StatusCallback" in form:
            self._report(sid, form, fault)
        return json_answer(_message(sid, form, segments.parts), 201)

    def _report(self, sid: str, form: Mapping[str, str], fault: TwilioFault | None) -> None:
        """Post ``sent`` and then how it ended, as far as this number's fault lets anything be known."""
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        story = [status_callback(form["StatusCallback"], sid, form["To"], sender, "sent")]
        if fault is None or fault.http is not None:
            story.append(status_callback(form["StatusCallback"], sid, form["To"], sender, "delivered"))
        elif not fault.silent:
            story.append(
                status_callback(form["StatusCallback"], sid, form["To"], sender, "undelivered", code=fault.code)
            )
        self.desk.callbacks.schedule(self.provider, story)


def _denied(request: web.Request) -> Refusal | None:
    """Return 20003 unless account and token are the sandbox's, in the path as in the header."""
    given = request.headers.get("Authorization", "")
    if hmac.compare_digest(given.encode(), _BASIC.encode()) and request.match_info["sid"] == TWILIO_ACCOUNT_SID:
        return None
    return _refusal(_MODE_FAULTS["unauthorized"])


def _form_problem(form: Mapping[str, str]) -> Refusal | None:
    """Return Twilio's refusal of a form that lacks something or names a sender it does not know."""
    to, sender, service, body = (form.get(key, "") for key in ("To", "From", "MessagingServiceSid", "Body"))
    checks = (
        (not to, 21604, "A 'To' phone number is required."),
        (not sender and not _SERVICE.fullmatch(service), 21603, "A 'From' phone number is required."),
        (sender in TWILIO_SENDER_FAULTS, *TWILIO_SENDER_FAULTS.get(sender, (0, ""))),
        (sender and not _SENDER.fullmatch(sender), 21212, f"Invalid 'From' Phone Number: {sender}"),
        (not body, 21602, "Message body is required."),
        (len(body) > MAX_BODY, 21617, "The concatenated message body exceeds the 1600 character limit"),
        (not _E164.fullmatch(to), 21211, f"Invalid 'To' Phone Number: {to}"),
    )
    return next((_error(400, code, message) for wrong, code, message in checks if wrong), None)


def _carillon_id(callback: str | None) -> CarillonId:
    if not callback:
        return NO_ID
    return parse_carillon_id(parse_qs(urlsplit(callback).query).get("carillon_id", [None])[0])


def _refusal(fault: TwilioFault) -> Refusal:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return _error(fault.http or 500, fault.code or 20500, fault.message)._replace(headers=headers)


def _error(status: int, code: int, message: str) -> Refusal:
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Refusal(status, str(code), body)


def _message(sid: str, form: Mapping[str, str], segments: int) -> dict[str, Any]:
    """Return the message resource, as Twilio's answer to its creation shows it."""
    now = format_datetime(datetime.now(UTC))
    uri = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages/{sid}"
    service = form.get("MessagingServiceSid")
    return {
        "account_sid": TWILIO_ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From"),
        "messaging_service_sid": service,
        "num_media": "0",
        "num_segments": str(segments),
        "price": None,
        "price_unit": None,
        "sid": sid,
        "status": "accepted" if service else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": form["To"],
        "uri": f"{uri}.json",
    }


_ACCOUNT = {
    "sid": TWILIO_ACCOUNT_SID,
    "friendly_name": "Carillon sandbox",
    "status": "active",
    "type": "Full",
    "owner_account_sid": TWILIO_ACCOUNT_SID,
    "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
    "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
    "uri": f"/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}.json",
    "subresource_uris": {"messages": f"/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages.json"},
}
