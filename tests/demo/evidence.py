"""Answers and sandbox rows as the demo sees them, made by hand."""

from __future__ import annotations

import itertools
from typing import Any

from notifications.sandbox.records import CHANNELS, Accepted
from project.demo.client import Answer
from project.demo.outcomes.base import Seen

_PROVIDERS = {channel: provider for provider, channel in reversed(CHANNELS.items())}  # the first of each channel
_numbers = itertools.count(1)


def delivery(channel: str, state: str, reason: str = "", **more: Any) -> dict[str, Any]:
    """Return a delivery as the API shows it."""
    found = {"id": f"d{next(_numbers)}", "channel": channel, "device": None, "state": state, "reason": reason}
    return {**found, "explanation": "why", "due_at": "2026-03-01T12:00:00Z", **more}


def message(channel: str, to: str = "somewhere", delivery_id: str = "d0", **content: Any) -> Accepted:
    """Return a message as the sandbox keeps it."""
    return Accepted("2026-03-01T12:00:00Z", _PROVIDERS[channel], channel, to, delivery_id, 1, "p1", content)


def seen(*deliveries: dict[str, Any], messages: tuple[Accepted, ...] = ()) -> Seen:
    """Return one notification."""
    return Seen(list(deliveries), list(messages))


def answer(key: str, *, replayed: bool = False) -> Answer:
    """Return the answer to a request."""
    return Answer(202, {"id": key}, {"Idempotent-Replayed": "true"} if replayed else {})
