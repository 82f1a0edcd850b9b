"""Twilio Programmable Messaging through Twilio's SDK, over pooled connections, one request per attempt.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from twilio.base import values
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from ..enums import ReceiptKind, SuppressionCause
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
    WebhookRejected,
)
from ..messages import OutboundMessage, ReceiptEvent, WebhookRequest
from .answers import Answer, by_status, retry_after_seconds
from .base import Option, OptionProblem, SMSAdapter, as_mapping
from .sms_words import HELP_WORDS, START_WORDS, STOP_WORDS
from .transport import begin_attempt, one_request_session, request_was_written

TWILIO_URL = "https://api.twilio.com"


def _page(code: int) -> str:
    return f"https://www.twilio.com/docs/api/errors/{code}"


#: What the API answers, by its `code`.
ANSWERS: Mapping[str, Answer] = {
    "20003": Answer(ProviderMisconfigured, "Twilio does not accept the account SID and auth token.", _page(20003)),
    "20404": Answer(ProviderMisconfigured, "Twilio does not know the account.", _page(20404)),
    "20429": Answer(RateLimited, "Too many requests: Twilio did not process this one.", _page(20429)),
    "21211": Answer(InvalidRecipient, "The number is not a valid phone number.", _page(21211)),
    "21212": Answer(ProviderMisconfigured, "The sender is not a valid one.", _page(21212)),
    "21408": Answer(PermanentFailure, "The account may not send to the number's region.", _page(21408)),
    "21603": Answer(ProviderMisconfigured, "No sender is set.", _page(21603)),
    # 21606, 21659 and 21703 may speak of this destination alone: a short code reaches its own country, and a service
    # may hold no sender for another. One number abroad must not hold what goes to everybody else. A sender that is not
    # the account's, or has no SMS, has codes of its own since 2024:
    # https://www.twilio.com/en-us/changelog/updates-to-the-error-code-dictionary-to-clarify-number-validatio
    "21606": Answer(PermanentFailure, "The sender cannot send SMS to this number.", _page(21606)),
    "21610": Answer(InvalidRecipient, "The recipient has opted out of this sender.", _page(21610), suppress=True),
    "21614": Answer(InvalidRecipient, "The number cannot receive SMS.", _page(21614)),
    "21617": Answer(PermanentFailure, "The text is longer than Twilio takes.", _page(21617)),
    "21635": Answer(InvalidRecipient, "The number is a landline.", _page(21635)),
    "21659": Answer(PermanentFailure, "The sender is not Twilio's, or a short code of another country.", _page(21659)),
    # Of a whole number no country is asked: it is not Twilio's (any more), or not yet while it is ported.
    "21659<number>": Answer(ProviderMisconfigured, "The sender is not a number of Twilio's.", _page(21659)),
    "21660": Answer(ProviderMisconfigured, "The sender is not the account's.", _page(21660)),
    "21661": Answer(ProviderMisconfigured, "The sender has no SMS.", _page(21661)),
    "21701": Answer(ProviderMisconfigured, "The account has no such messaging service.", _page(21701)),
    "21703": Answer(PermanentFailure, "The messaging service has no sender for this message.", _page(21703)),
    "21704": Answer(ProviderMisconfigured, "The messaging service has no sender at all.", _page(21704)),
    "21705": Answer(ProviderMisconfigured, "messaging_service_sid names no messaging service.", _page(21705)),
    "30002": Answer(ProviderMisconfigured, "The account is suspended.", _page(30002)),
}

#: What a status callback says, by its `ErrorCode`.
CALLBACK_ANSWERS: Mapping[str, Answer] = {
    "30001": Answer(TemporaryFailure, "The carrier's queue was full.", _page(30001), retries=2),
    "30002": ANSWERS["30002"],
    "30003": Answer(TemporaryFailure, "The handset could not be reached.", _page(30003), retries=1, deactivate_after=3),
    "30004": Answer(PermanentFailure, "The recipient or the carrier blocks messages.", _page(30004)),
    "30005": Answer(InvalidRecipient, "The number does not exist.", _page(30005), deactivate_after=1),
    "30006": Answer(
        InvalidRecipient, "The number is a landline or its carrier has no SMS.", _page(30006), deactivate_after=1
    ),
    "30007": Answer(PermanentFailure, "A content filter stopped the message.", _page(30007), filtered=True),
    "30008": Answer(TemporaryFailure, "The carrier gives no reason.", _page(30008), retries=2),
}

#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
STATUSES: Mapping[str, ReceiptKind] = {
    "sent": ReceiptKind.SENT,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.OPENED,
    "undelivered": ReceiptKind.UNDELIVERED,
    "failed": ReceiptKind.UNDELIVERED,
}
#: Seconds; https://www.twilio.com/docs/messaging/api/message-resource#request-body-parameters
VALIDITY = (5, 36_000)
_E164 = re.compile(r"\+[1-9]\d{6,14}")


class TwilioAdapter(SMSAdapter):
    """Sends SMS through one Twilio account; its signed callbacks report delivery, STOP and START."""

    known_answers = ANSWERS
    OPTIONS = (
        Option("account_sid", required=True, help='"AC..." from https://console.twilio.com'),
        Option("auth_token", required=True, secret=True, help="the account's auth token; it also signs callbacks"),
        Option("from_number", help='the sender, "+15005550006" or a short code; or set messaging_service_sid'),
        Option("messaging_service_sid", help='"MG..."; the service chooses the sender'),
    )

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options)
        http = _Http(alias, self.base_url or TWILIO_URL, self.timeout, self.send_window)
        # "unset" keeps the SDK from looking for credentials in the environment: they are options, and only options.
        self._client = Client(self.text("account_sid") or "unset", self.text("auth_token") or "unset", http_client=http)
        self._validator = RequestValidator(self.text("auth_token"))

    def hand_over(self, message: OutboundMessage) -> str:
        """Create one Message resource and return its SID."""
        begin_attempt()
        callback: object = values.unset
        if message.callback_url:
            joint = "&" if urlsplit(message.callback_url).query else "?"
            callback = message.callback_url + joint + urlencode({"carillon_id": message.carillon_id})
        validity: object = values.unset
        if message.expires_at is not None:
            left = int((message.expires_at - datetime.now(UTC)).total_seconds())
            validity = min(max(left, VALIDITY[0]), VALIDITY[1])
        try:
            created = self._client.messages.create(
                to=message.address,
                body=message.content.text,
                from_=self.text("from_number") or values.unset,
                messaging_service_sid=self.text("messaging_service_sid") or values.unset,
                status_callback=callback,
                validity_period=validity,
            )
        except ValueError as error:
            raise UnknownOutcome(self.alias, "garbage", "Twilio's answer is not its own.") from error
        if not isinstance(created.sid, str) or not created.sid:
            raise UnknownOutcome(self.alias, "garbage", "Twilio's answer names no message.")
        return created.sid

    def check_credentials(self) -> str:
        """Fetch the account itself. https://www.twilio.com/docs/iam/api/account#fetch-an-account-resource"""
        begin_attempt()
        try:
            account = self._client.api.v2010.accounts(self.text("account_sid")).fetch()
        except ValueError as error:
            raise UnknownOutcome(self.alias, "garbage", "Twilio's answer is not its own.") from error
        if account.status != "active":
            raise ProviderMisconfigured(self.alias, str(account.status)[:60], "The account is not active.")
        return "the account is active"

    def verify(self, request: WebhookRequest) -> None:
        """Return if the callback carries Twilio's signature over this very URL and form.

        https://www.twilio.com/docs/usage/webhooks/webhooks-security
        """
        signature = {key.lower(): value for key, value in request.headers.items()}.get("x-twilio-signature", "")
        if not self.text("auth_token") or not signature:
            raise WebhookRejected("The callback is not signed.")
        if not self._validator.validate(request.url, _form(request), signature):
            raise WebhookRejected("The callback's signature is wrong.")

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return what a status callback or an inbound message reports."""
        form = _form(request)
        sid = form.get("MessageSid") or form.get("SmsSid") or ""
        if not sid:
            raise WebhookRejected("The callback names no message.")
        status = form.get("MessageStatus") or form.get("SmsStatus") or ""
        if "From" in form and (status in ("", "received") or "Body" in form):
            return [_inbound(form, sid)]
        code = form.get("ErrorCode") or ""
        row = CALLBACK_ANSWERS.get(code) if STATUSES.get(status) is ReceiptKind.UNDELIVERED else None
        return [
            ReceiptEvent(
                kind=STATUSES.get(status, ReceiptKind.IGNORED),
                event_key=f"{sid}:{status}",
                provider_message_id=sid,
                carillon_id=parse_qs(urlsplit(request.url).query).get("carillon_id", [""])[0],
                address=form.get("To") or "",
                code=code or status,
                detail=row.says if row else "",
                deactivate=bool(row and row.deactivate_after == 1),
                retries=row.retries if row else 0,
                deactivate_after=row.deactivate_after if row else 0,
                misconfigured=bool(row and row.outcome is ProviderMisconfigured),
                filtered=bool(row and row.filtered),
            )
        ]

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration: exactly one kind of sender is needed."""
        problems = super().check()
        number, service = self.text("from_number"), self.text("messaging_service_sid")
        if bool(number) == bool(service):
            hint = '"from_number": "+15005550006" or "messaging_service_sid": "MG..."'
            problems.append(OptionProblem("set one of from_number and messaging_service_sid", hint))
        if self.text("account_sid") and not self.text("account_sid").startswith("AC"):
            problems.append(OptionProblem("account_sid does not begin with AC", "copy it from the Twilio console"))
        return problems


class _Http(HttpClient):  # type: ignore[misc]
    """The SDK's way out: tells at once what kind of outcome an answer, or the lack of one, is."""

    def __init__(self, alias: str, base_url: str, deadline: float, connections: int) -> None:
        super().__init__(None, is_async=False, timeout=deadline)
        self._alias = alias
        self._base_url = base_url
        self._session = one_request_session(deadline, connections)

    def request(self, method: str, url: str, **request: Any) -> Response:
        """Post once and return Twilio's acceptance."""
        if url.startswith(TWILIO_URL):
            url = self._base_url + url.removeprefix(TWILIO_URL)
        try:
            response = self._session.request(
                method, url, data=request.get("data"), headers=request.get("headers"), auth=request.get("auth")
            )
        except requests.RequestException as error:
            kind = type(error).__name__
            if request_was_written():
                raise UnknownOutcome(self._alias, kind, "Twilio gave no whole answer.") from error
            raise ProviderUnavailable(self._alias, kind, "Twilio could not be reached.") from error
        if response.status_code >= 300:
            self._refuse(response, str(as_mapping(request.get("data")).get("From") or ""))
        return Response(response.status_code, response.text, response.headers)

    def _refuse(self, response: requests.Response, sender: str) -> None:
        try:
            answer = as_mapping(response.json())
        except ValueError:
            answer = {}
        status, code = response.status_code, str(answer.get("code") or "")
        if status >= 500 and code not in ANSWERS:
            # Twilio has no idempotency keys: nobody can know what became of the message.
            raise UnknownOutcome(self._alias, str(status), "Twilio has a fault of its own.")
        known = (ANSWERS.get(f"{code}<number>") if _E164.fullmatch(sender) else None) or ANSWERS.get(code)
        row = (ANSWERS["20429"] if status == 429 else known) or by_status(status)
        if row is None:
            raise UnknownOutcome(self._alias, str(status), "Twilio's answer is not its own.")
        raise row.to_error(self._alias, code or str(status), retry_after_seconds(response.headers.get("Retry-After")))


def _form(request: WebhookRequest) -> QueryDict:
    if request.method != "POST":
        raise WebhookRejected("A callback is a POST.")
    try:
        return QueryDict(request.body, encoding="utf-8")
    except (SuspiciousOperation, ValueError) as error:
        raise WebhookRejected("The callback is not a form.") from error


def _inbound(form: QueryDict, sid: str) -> ReceiptEvent:
    """Return what a message from a phone asks for; a service with Advanced Opt-Out says so itself.

    https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
    """
    word = (form.get("OptOutType") or form.get("Body") or "").strip().upper()
    sender = form.get("From") or ""
    if word in STOP_WORDS:
        kind, cause = ReceiptKind.UNSUBSCRIBED, SuppressionCause.STOP
    elif word in START_WORDS:
        kind, cause = ReceiptKind.RESUBSCRIBED, None
    else:
        kind, cause, word = ReceiptKind.IGNORED, None, "HELP" if word in HELP_WORDS else "inbound"
    return ReceiptEvent(
        kind=kind, event_key=f"{sid}:inbound", provider_message_id="", address=sender, code=word, suppress=cause
    )
