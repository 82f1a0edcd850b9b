"""Vonage's SMS API over plain HTTP, on a pooled session: one form out, one JSON answer back.

https://developer.vonage.com/en/api/sms
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from ..exceptions import TemporaryFailure, UnknownOutcome
from ..messages import OutboundMessage, ReceiptEvent, WebhookRequest
from .answers import by_status, retry_after_seconds
from .asking import ask
from .base import Option, OptionProblem, SMSAdapter, as_mapping
from .pooled import PooledAdapter, Post
from .vonage_answers import ANSWERS
from .vonage_receipts import parse, verify

VONAGE_URL = "https://rest.nexmo.com"
#: Milliseconds; https://developer.vonage.com/en/api/sms#send-an-sms
TTL = (20_000, 604_800_000)
#: A longer callback address is refused; without one, Vonage uses the account's own.
LONGEST_CALLBACK = 100
# https://developer.vonage.com/en/messaging/sms/guides/concatenation-and-encoding
_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)


class VonageAdapter(PooledAdapter, SMSAdapter):
    """Sends SMS through one Vonage account; its signed callbacks report delivery, STOP and START."""

    service = "Vonage"
    known_answers = ANSWERS
    OPTIONS = (
        Option("api_key", required=True, help="the account's key, from https://dashboard.vonage.com"),
        Option("api_secret", required=True, secret=True, help="the account's secret"),
        Option("from_number", required=True, help='the sender: "447700900000" or a name such as "Acme"'),
        Option("signature_secret", secret=True, help="the secret that callbacks are signed with, by SHA-256 HMAC"),
    )

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options, VONAGE_URL)
        self._end_point = f"{self.base_url or VONAGE_URL}/sms/json"
        credentials = f"{self.text('api_key')}:{self.text('api_secret')}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def check_credentials(self) -> str:
        """Fetch the account's balance. https://developer.vonage.com/en/api/account#getAccountBalance"""
        query = urlencode({"api_key": self.text("api_key"), "api_secret": self.text("api_secret")})
        url = f"{self.base_url or VONAGE_URL}/account/get-balance?{query}"
        ask(self.alias, url, {}, self.timeout)
        return "Vonage tells the account's balance"

    def verify(self, request: WebhookRequest) -> None:
        """Return if the callback carries Vonage's signature over all that it says, and is not an old one."""
        verify(request, self.text("signature_secret"), datetime.now(UTC))

    def parse(self, request: WebhookRequest) -> list[ReceiptEvent]:
        """Return what a delivery receipt or an inbound message reports."""
        return parse(request)

    def check(self) -> list[OptionProblem]:
        """Return what is wrong with the configuration: without the signature secret no receipt is believed."""
        problems = super().check()
        if not self.text("signature_secret"):
            hint = "choose SHA-256 HMAC at https://dashboard.vonage.com/settings and copy the secret"
            problems.append(OptionProblem("signature_secret is not set: every callback is refused", hint))
        return problems

    def form(self, message: OutboundMessage) -> dict[str, str]:
        """Return the request's fields for one message."""
        text = message.content.text
        form = {
            "from": self.text("from_number").removeprefix("+"),
            "to": message.address.removeprefix("+"),
            "text": text,
            "type": "text" if _GSM_7.issuperset(text) else "unicode",
            "client-ref": message.carillon_id,
        }
        if message.callback_url and len(message.callback_url) <= LONGEST_CALLBACK:
            form["callback"] = message.callback_url
        if message.expires_at is not None:
            left = int((message.expires_at - datetime.now(UTC)).total_seconds() * 1_000)
            form["ttl"] = str(min(max(left, TTL[0]), TTL[1]))
        return form

    async def post_for(self, message: OutboundMessage) -> Post:
        """Return the request for one message."""
        return Post(self._end_point, self.form(message), self._headers)

    def accepted(self, status: int, retry_after: str | None, body: bytes) -> str:
        """Return Vonage's id of a message that it took.

        A text of several parts gets an answer for each part, and is one message all the same: its first part's id.

        Raises:
            ProviderError: it did not take it, or its answer cannot be trusted.
        """
        wait = retry_after_seconds(retry_after)
        if status >= 500:
            # Vonage has no idempotency keys: nobody can know what became of the message.
            raise UnknownOutcome(self.alias, str(status), "Vonage has a fault of its own.")
        if (row := by_status(status)) is not None:
            raise row.to_error(self.alias, str(status), wait)
        parts = _parts(body)
        codes = {str(part.get("status")) for part in parts}
        identity = next((part.get("message-id") for part in parts if str(part.get("status")) == "0"), None)
        refused = codes - {"0"}
        if not refused and isinstance(identity, str) and identity:
            return identity
        if not refused <= ANSWERS.keys() or not refused:
            raise UnknownOutcome(self.alias, "garbage", "Vonage's answer is not its own.")
        code = min(refused, key=int)
        if "0" in codes:
            # The phone may show a torso or nothing. Sending it again is right, and may be a duplicate.
            says = "Vonage took only some of the message's parts."
            raise TemporaryFailure(self.alias, code, says, wait, maybe_sent=True)
        raise ANSWERS[code].to_error(self.alias, code, wait)


def _parts(body: bytes) -> list[Mapping[str, object]]:
    """Return what an answer says about each part; nothing where it is no answer of Vonage's."""
    try:
        answer = as_mapping(json.loads(body))
    except ValueError:
        return []
    parts = answer.get("messages")
    return [as_mapping(part) for part in parts] if isinstance(parts, list) else []
