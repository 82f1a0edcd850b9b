"""Builds the delivery receipts and inbound messages that Vonage posts, signed as Vonage signs them (SHA-256 HMAC).

Facts: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts and
https://developer.vonage.com/en/getting-started/concepts/signing-messages
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from .callbacks import Callback
from .credentials import VONAGE_API_KEY, VONAGE_FROM, VONAGE_SIGNATURE_SECRET
from .records import Accepted

_EVENTS = {"delivered": ("delivered", 0), "bounced": ("failed", 12)}
_SIGN = str.maketrans("&=", "__")


def sign(params: Mapping[str, str], secret: str = VONAGE_SIGNATURE_SECRET) -> str:
    """Return ``sig``: the HMAC over "&name=value" of all parameters by name, with "&" and "=" in values made "_"."""
    text = "".join(f"&{name}={params[name].translate(_SIGN)}" for name in sorted(params) if name != "sig")
    return hmac.new(secret.encode(), text.encode("utf-8"), hashlib.sha256).hexdigest().upper()


def delivery_receipt(url: str, accepted: Accepted, status: str, code: int) -> Callback:
    """Return the webhook that says what became of a message."""
    now = datetime.now(UTC)
    params = {
        "msisdn": accepted.to.removeprefix("+"),
        "to": str(accepted.request.get("from", "")),
        "network-code": "12345",
        "messageId": accepted.provider_message_id,
        "price": "0.03330000",
        "status": status,
        "scts": now.strftime("%y%m%d%H%M"),
        "err-code": str(code),
        "api-key": VONAGE_API_KEY,
        "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        "timestamp": str(int(time.time())),
        "nonce": str(uuid.uuid4()),
    }
    if accepted.request.get("client-ref"):
        params["client-ref"] = str(accepted.request["client-ref"])
    return _signed(url, params)


def inbound_message(url: str, sender: str, text: str) -> Callback:
    """Return the webhook of a message from a phone."""
    params = {
        "api-key": VONAGE_API_KEY,
        "msisdn": sender.removeprefix("+"),
        "to": VONAGE_FROM,
        "messageId": uuid.uuid4().hex[:16].upper(),
        "text": text,
        "type": "text",
        "keyword": text.upper().partition(" ")[0],
        "message-timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "timestamp": str(int(time.time())),
        "nonce": str(uuid.uuid4()),
    }
    return _signed(url, params)


def _signed(url: str, params: dict[str, str]) -> Callback:
    params["sig"] = sign(params)
    headers = {"User-Agent": "Nexmo/MessagingHUB/v1.0"}
    return Callback(url, json.dumps(params).encode("ascii"), "application/json", headers)


def receipt_of(url: str, accepted: Accepted, event: str) -> Callback:
    """Return the receipt of an event that was asked for by hand; raises KeyError for one that Vonage does not have."""
    return delivery_receipt(url, accepted, *_EVENTS[event])
