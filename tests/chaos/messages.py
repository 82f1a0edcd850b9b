"""What the harness sends: each message goes to an address of its own, so that a second copy is seen in any file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CHANNELS = ("push", "sms", "email")
AUTHOR = 7
"""Whom all users of a deployment follow."""


@dataclass(frozen=True)
class Message:
    """One request: its idempotency key, the address that must get it exactly once, the body, and where to."""

    key: str
    channel: str
    to: str
    body: dict[str, Any]
    path: str = "notifications/"


def token(number: int) -> str:
    """Return the push token of the user with this number."""
    return f"token-{number:06d}-{number:06d}"


def tokens(number: int, devices: int) -> list[str]:
    """Return the tokens of a user's devices."""
    return [token(number) + (f"-{device}" if device else "") for device in range(devices)]


def phone(number: int) -> str:
    """Return a phone number."""
    return f"+491511{number:07d}"


def mailbox(number: int) -> str:
    """Return a mail address."""
    return f"person{number}@example.com"


def message(number: int, mark: str = "m", channel: str = "") -> Message:
    """Return message `number`; the channels take turns unless one is named. Push goes to the user with that number."""
    channel = channel or CHANNELS[number % 3]
    body: dict[str, Any]
    if channel == "push":
        to = token(number)
        body = {"user": str(number + 1), "template": "new-follower", "data": {"name": "Ada"}}
    elif channel == "sms":
        to = phone(number)
        body = {"to": {"sms": to}, "template": "login-code", "data": {"code": "493021"}}
    else:
        to = mailbox(number)
        body = {"to": {"email": to}, "template": "invoice", "data": {"order": {"number": str(number), "total": 2.5}}}
    return Message(f"{mark}-{number}", channel, to, {**body, "channels": [channel]})
