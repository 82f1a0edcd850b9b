"""Vonage's callbacks: delivery receipts and inbound messages, signed over all of their fields.

https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict

from ..enums import ReceiptKind, SuppressionCause
from ..exceptions import WebhookRejected
from ..messages import ReceiptEvent, WebhookRequest
from .base import as_mapping
from .sms_words import HELP_WORDS, START_WORDS, STOP_WORDS
from .vonage_answers import CALLBACK_ANSWERS

#: Vonage repeats a callback that was not answered for a day, and does not say whether it signs it anew each time.
#: One that comes twice counts once in any case: this only bounds how long an overheard one is good for.
OLDEST_SECONDS = 90_000
AHEAD_SECONDS = 300

#: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts#dlr-status-messages
STATUSES: Mapping[str, ReceiptKind] = {
    "accepted": ReceiptKind.SENT,
    "buffered": ReceiptKind.DEFERRED,
    "delivered": ReceiptKind.DELIVERED,
    "expired": ReceiptKind.UNDELIVERED,
    "failed": ReceiptKind.UNDELIVERED,
    "rejected": ReceiptKind.UNDELIVERED,
}


def verify(request: WebhookRequest, secret: str, now: datetime) -> None:
    """Return if a callback is signed with the secret, and not too long ago.

    https://developer.vonage.com/en/getting-started/concepts/signing-messages

    Raises:
        WebhookRejected: it is not.
    """
    fields = _fields(request)
    given = fields.pop("sig", "")
    if not secret or not given:
        raise WebhookRejected("The callback is not signed.")
    if not hmac.compare_digest(signature(fields, secret).encode(), given.lower().encode("utf-8", "replace")):
        raise WebhookRejected("The callback's signature is wrong.")
    stamp = fields.get("timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()):
        raise WebhookRejected("The callback says not when it was signed.")
    if not -AHEAD_SECONDS <= now.timestamp() - int(stamp) <= OLDEST_SECONDS:
        raise WebhookRejected("The callback was signed too long ago.")


def signature(fields: Mapping[str, str], secret: str) -> str:
    """Return the SHA-256 HMAC over fields as Vonage puts them together."""
    cleaned = ((name, value.replace("&", "_").replace("=", "_")) for name, value in sorted(fields.items()))
    whole = "".join(f"&{name}={value}" for name, value in cleaned)
    # JSON may hold half of a surrogate pair, which Vonage could not have signed.
    return hmac.new(secret.encode(), whole.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def parse(request: WebhookRequest) -> list[ReceiptEvent]:
    """Return what a verified callback reports.

    Raises:
        WebhookRejected: it cannot be read.
    """
    fields = _fields(request)
    identity = fields.get("messageId") or fields.get("message-id") or ""
    if not identity:
        raise WebhookRejected("The callback names no message.")
    address = f"+{number}" if (number := fields.get("msisdn", "").removeprefix("+")) else ""
    if "status" not in fields:
        return [_inbound(fields, identity, address)]
    status, code = fields["status"], fields.get("err-code", "")
    kind = STATUSES.get(status, ReceiptKind.IGNORED)
    row = CALLBACK_ANSWERS.get(code) if kind is ReceiptKind.UNDELIVERED else None
    return [
        ReceiptEvent(
            kind=kind,
            event_key=f"{identity}:{status}",
            provider_message_id=identity,
            carillon_id=fields.get("client-ref", ""),
            address=address,
            occurred_at=_moment(fields.get("message-timestamp", "")),
            code=code if row else status,
            detail=row.says if row else "",
            suppress=SuppressionCause.STOP if row and row.suppress else None,
            deactivate=bool(row and row.deactivate_after == 1),
            deactivate_after=row.deactivate_after if row else 0,
            retries=row.retries if row else 0,
            filtered=bool(row and row.filtered),
        )
    ]


def _inbound(fields: Mapping[str, str], identity: str, sender: str) -> ReceiptEvent:
    """Return what a message from a phone asks for."""
    word = fields.get("text", "").strip().upper()
    if word in STOP_WORDS:
        kind, cause = ReceiptKind.UNSUBSCRIBED, SuppressionCause.STOP
    elif word in START_WORDS:
        kind, cause = ReceiptKind.RESUBSCRIBED, None
    else:
        kind, cause, word = ReceiptKind.IGNORED, None, "HELP" if word in HELP_WORDS else "inbound"
    return ReceiptEvent(kind=kind, event_key=f"{identity}:inbound", address=sender, code=word, suppress=cause)


def _fields(request: WebhookRequest) -> dict[str, str]:
    """Return a callback's fields, whether it came as a form or as JSON: the account's settings say which."""
    if request.method != "POST":
        raise WebhookRejected("A callback is a POST: choose POST or POST-JSON in Vonage's settings.")
    kind = {name.lower(): value for name, value in request.headers.items()}.get("content-type", "")
    try:
        if "json" in kind:
            fields = as_mapping(json.loads(request.body))
            return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return {name: values[-1] for name, values in QueryDict(request.body, encoding="utf-8").lists()}
    except (SuspiciousOperation, ValueError, RecursionError) as error:
        raise WebhookRejected("The callback cannot be read.") from error


def _moment(value: str) -> datetime | None:
    """Return a receipt's own time, "2026-11-22 12:10:29" in UTC."""
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None
