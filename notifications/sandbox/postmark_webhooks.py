"""Builds what Postmark posts about an email: Delivery, Bounce, SpamComplaint, Open and Click.

Facts: https://postmarkapp.com/developer/webhooks/delivery-webhook, .../bounce-webhook, .../spam-complaint-webhook,
.../open-tracking-webhook, .../click-webhook and https://postmarkapp.com/developer/api/bounce-api#bounce-types
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .callbacks import Callback
from .records import Accepted

SERVER_ID = 9400
_LINK = re.compile(r"""https?://[^\s"'<>]+""")
_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Safari/605.1.15"
)
_BOUNCES = {
    "bounced": (
        "HardBounce",
        1,
        "Hard bounce",
        "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
    ),
    "soft_bounced": (
        "SoftBounce",
        4096,
        "Soft bounce",
        "Unable to temporarily deliver message (i.e. mailbox full, account disabled, exceeds quota).",
        "smtp;452 4.2.2 The email account that you tried to reach is over quota.",
    ),
    "complained": (
        "SpamComplaint",
        512,
        "Spam complaint",
        "The subscriber explicitly marked this message as spam.",
        "Abuse report",
    ),
}


def event_webhook(url: str, accepted: Accepted, event: str) -> Callback:
    """Return the webhook of one event of this email; raises KeyError for an event that Postmark does not have."""
    payload = _PAYLOADS[event](accepted, event)
    return Callback(url, json.dumps(payload).encode("ascii"), "application/json", {"User-Agent": "Postmark"})


def _common(accepted: Accepted) -> dict[str, Any]:
    return {
        "MessageStream": accepted.request.get("MessageStream", "outbound"),
        "Metadata": accepted.request.get("Metadata") or {},
        "MessageID": accepted.provider_message_id,
        "Tag": accepted.request.get("Tag", ""),
    }


def _delivery(accepted: Accepted, _event: str) -> dict[str, Any]:
    return {
        "RecordType": "Delivery",
        "ServerID": SERVER_ID,
        **_common(accepted),
        "Recipient": accepted.to,
        "DeliveredAt": _now(),
        "Details": "smtp;250 2.0.0 OK",
    }


def _bounce(accepted: Accepted, event: str) -> dict[str, Any]:
    kind, code, name, description, details = _BOUNCES[event]
    complaint = event == "complained"
    return {
        "RecordType": "SpamComplaint" if complaint else "Bounce",
        **_common(accepted),
        "ID": secrets.randbelow(2**40),
        "Type": kind,
        "TypeCode": code,
        "Name": name,
        "ServerID": SERVER_ID,
        "Description": description,
        "Details": details,
        "Email": accepted.to,
        "From": accepted.request.get("From", ""),
        "BouncedAt": _now(),
        "DumpAvailable": False,
        "Inactive": event != "soft_bounced",
        "CanActivate": not complaint,
        "Subject": accepted.content.get("subject", ""),
        "Content": "",
    }


def _reader() -> dict[str, Any]:
    """Return what Postmark says of the reader's program and place."""
    return {
        "Platform": "Desktop",
        "UserAgent": _AGENT,
        "OS": {"Name": "OS X 10.15", "Family": "OS X 10", "Company": "Apple Inc."},
        "Client": {"Name": "Safari 17.4", "Family": "Safari", "Company": "Apple Inc."},
        "Geo": {
            "CountryISOCode": "GB",
            "Country": "United Kingdom",
            "RegionISOCode": "ENG",
            "Region": "England",
            "City": "London",
            "Zip": "",
            "Coords": "51.5074,-0.1278",
            "IP": "192.0.2.1",
        },
    }


def _open(accepted: Accepted, _event: str) -> dict[str, Any]:
    return {
        "RecordType": "Open",
        **_common(accepted),
        "FirstOpen": True,
        "Recipient": accepted.to,
        "ReceivedAt": _now(),
        "ReadSeconds": 5,
        **_reader(),
    }


def _click(accepted: Accepted, _event: str) -> dict[str, Any]:
    content: Mapping[str, Any] = accepted.content
    in_html = _LINK.search(str(content.get("html") or ""))
    link = in_html or _LINK.search(str(content.get("text") or ""))
    return {
        "RecordType": "Click",
        **_common(accepted),
        "ClickLocation": "HTML" if in_html else "Text",
        "Recipient": accepted.to,
        "OriginalLink": link.group() if link else "https://example.com/",
        "ReceivedAt": _now(),
        **_reader(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_PAYLOADS: dict[str, Callable[[Accepted, str], dict[str, Any]]] = {
    "delivered": _delivery,
    "bounced": _bounce,
    "soft_bounced": _bounce,
    "complained": _bounce,
    "opened": _open,
    "clicked": _click,
}
