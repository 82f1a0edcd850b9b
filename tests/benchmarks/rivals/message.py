"""The request that every rival sends: FCM's own, with a body for one person and a token as long as real ones."""

from __future__ import annotations

import json

PATH = "/fcm/v1/projects/carillon-sandbox/messages:send"
HEADERS = {"Authorization": "Bearer ya29.sink", "Content-Type": "application/json; UTF-8"}


def token(number: int) -> str:
    """Return a token."""
    return f"rival-{number}:{number:0132d}"


def body(number: int) -> bytes:
    """Return the body of one message."""
    message = {
        "token": token(number),
        "notification": {"title": "New: Bells", "body": f"Hello Ada{number}, read it before everybody else."},
        "data": {"carillon_id": f"00000000-0000-8000-8000-{number:012d}.1"},
        "android": {"priority": "normal"},
    }
    return json.dumps({"message": message}).encode()
