"""Builds what Resend posts about an email, signed as Svix signs it.

Facts: https://resend.com/docs/dashboard/webhooks/event-types and https://docs.svix.com/receiving/verifying-payloads/how-manual
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from .callbacks import Callback
from .credentials import RESEND_SIGNING_SECRET
from .records import Accepted

_TYPES = {
    "sent": "email.sent",
    "delivered": "email.delivered",
    "soft_bounced": "email.delivery_delayed",
    "bounced": "email.bounced",
    "suppressed": "email.bounced",
    "complained": "email.complained",
    "opened": "email.opened",
    "clicked": "email.clicked",
}
_BOUNCE = {
    "type": "Permanent",
    "subType": "General",
    "message": "The recipient's email provider sent a hard bounce message, but didn't specify the reason.",
}
_SUPPRESSED = {
    "type": "Permanent",
    "subType": "Suppressed",
    "message": "Resend has suppressed sending to this address because it is on the account-level suppression list.",
}


def sign(message_id: str, timestamp: str, body: bytes, secret: str = RESEND_SIGNING_SECRET) -> str:
    """Return ``svix-signature``: HMAC-SHA256 over id, time and body, in base64, with its version before it."""
    key = b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{b64encode(digest).decode('ascii')}"


def event_webhook(url: str, accepted: Accepted, event: str) -> Callback:
    """Return the webhook of one event of this email; raises KeyError for an event that Resend does not have."""
    body = json.dumps({"type": _TYPES[event], "created_at": _now(), "data": _data(accepted, event)}).encode("ascii")
    message_id, timestamp = f"msg_{secrets.token_hex(14)}", str(int(time.time()))
    headers = {
        "svix-id": message_id,
        "svix-timestamp": timestamp,
        "svix-signature": sign(message_id, timestamp, body),
        "User-Agent": "Svix-Webhooks/1.84.0",
    }
    return Callback(url, body, "application/json", headers)


def _data(accepted: Accepted, event: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "email_id": accepted.provider_message_id,
        "created_at": accepted.at or _now(),
        "from": accepted.request.get("from", ""),
        "to": [accepted.to],
        "subject": accepted.content.get("subject", ""),
    }
    headers = accepted.request.get("headers")
    if isinstance(headers, dict) and headers:
        data["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    if event == "bounced":
        data["bounce"] = _BOUNCE
    elif event == "suppressed":
        data["bounce"] = _SUPPRESSED
    elif event == "clicked":
        data["click"] = {
            "ipAddress": "192.0.2.1",
            "link": "https://example.com/",
            "timestamp": _now(),
            "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
        }
    return data


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
