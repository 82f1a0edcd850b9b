"""Builds what Twilio posts: status callbacks and inbound messages, signed as Twilio signs them.

Facts: https://www.twilio.com/docs/usage/webhooks/webhooks-security#validating-signatures-from-twilio and
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from .callbacks import Callback
from .credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM_NUMBER


def sign(url: str, params: Mapping[str, str], auth_token: str = TWILIO_AUTH_TOKEN) -> str:
    """Return X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted parameters, in base64."""
    text = url + "".join(name + params[name] for name in sorted(params))
    return b64encode(hmac.new(auth_token.encode(), text.encode("utf-8"), hashlib.sha1).digest()).decode("ascii")


def status_callback(url: str, sid: str, to: str, sender: str, status: str, *, code: int | None = None) -> Callback:
    """Return the callback that says a message's new status; ``code`` says why it was not delivered."""
    params = {
        "AccountSid": TWILIO_ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "From": sender,
        "MessageSid": sid,
        "MessageStatus": status,
        "SmsSid": sid,
        "SmsStatus": status,
        "To": to,
    }
    if sender.startswith("MG"):
        params |= {"MessagingServiceSid": sender, "From": TWILIO_FROM_NUMBER}
    if code is not None:
        params["ErrorCode"] = str(code)
    if status in ("delivered", "undelivered"):
        params["RawDlrDoneDate"] = datetime.now(UTC).strftime("%y%m%d%H%M")
    return _signed(url, params)


def inbound_message(url: str, sender: str, to: str, text: str) -> Callback:
    """Return the webhook of a message from a phone; STOP, START and their kind carry ``OptOutType`` as well."""
    sid = "SM" + secrets.token_hex(16)
    params = {
        "AccountSid": TWILIO_ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "Body": text,
        "From": sender,
        "FromCountry": "US",
        "MessageSid": sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": to,
        "ToCountry": "US",
    }
    if text.strip().upper() in ("STOP", "START", "HELP"):
        params["OptOutType"] = text.strip().upper()
    return _signed(url, params)


def _signed(url: str, params: Mapping[str, str]) -> Callback:
    headers = {
        "X-Twilio-Signature": sign(url, params),
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        "User-Agent": "TwilioProxy/1.1",
    }
    return Callback(url, urlencode(params).encode("ascii"), "application/x-www-form-urlencoded", headers)
