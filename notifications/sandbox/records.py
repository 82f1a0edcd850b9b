"""One message that the sandbox accepted, and how to read the file of them back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

CHANNELS = {
    "fcm": "push",
    "apns": "push",
    "twilio": "sms",
    "vonage": "sms",
    "postmark": "email",
    "resend": "email",
    "smtp": "email",
}
"""The channel that each provider serves."""


REPLAYED = "replayed"
"""The code, in the file of refused requests, of one that was answered as before by its idempotency key."""


class CarillonId(NamedTuple):
    """The delivery and the attempt that a request says it is for, as far as it says.

    Where a provider knows an idempotency key, every attempt says the same: the delivery and its generation.
    """

    delivery: str | None
    attempt: int | None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """One line of the sandbox's file: a message that a provider took."""

    at: str
    provider: str
    channel: str
    to: str
    delivery: str | None
    attempt: int | None
    provider_message_id: str
    content: Mapping[str, Any]
    request: Mapping[str, Any] = field(default_factory=dict)
    generation: int | None = None


def parse_carillon_id(value: object) -> CarillonId:
    """Split ``<delivery>.<attempt>`` or ``<delivery>.g<generation>``; what is absent or has another shape is None."""
    if not isinstance(value, str) or not value:
        return CarillonId(None, None)
    delivery, _, attempt = value.rpartition(".")
    number = attempt.removeprefix("g")
    if not delivery or not number.isdecimal():
        return CarillonId(value, None)
    return CarillonId(delivery, int(number)) if number == attempt else CarillonId(delivery, None, int(number))


def parse_line(line: bytes | str) -> Accepted:
    """Read one line of the file; raises ValueError if it is not a whole one."""
    return from_json(json.loads(line))


def from_json(entry: Mapping[str, Any]) -> Accepted:
    """Make an ``Accepted`` of its JSON object, as the file and ``GET /sandbox/messages`` hold it."""
    return Accepted(
        at=entry["at"],
        provider=entry["provider"],
        channel=entry["channel"],
        to=entry["to"],
        delivery=entry["delivery"],
        attempt=entry["attempt"],
        provider_message_id=entry["provider_message_id"],
        content=entry["content"],
        request=entry.get("request") or {},
        generation=entry.get("generation"),
    )


def refused_path(file: str | Path) -> Path:
    """Return where refused requests are written: ``sandbox.jsonl`` → ``sandbox.refused.jsonl``."""
    return Path(file).with_suffix(".refused.jsonl")


def iter_file(path: str | Path, having: bytes = b"") -> Iterator[Accepted]:
    """Yield what the file holds (in lines with ``having``), oldest first; a file that is not there holds nothing."""
    target = Path(path)
    if not target.exists():
        return
    with target.open("rb") as lines:
        for line in lines:
            if having not in line:
                continue
            try:
                accepted = parse_line(line)
            except ValueError:
                # A sandbox killed inside a write leaves a torn line. Nobody was ever answered for it.
                continue
            yield accepted


def read_file(path: str | Path) -> list[Accepted]:
    """Return everything the file holds, oldest first."""
    return list(iter_file(path))


def read_refused(file: str | Path) -> list[dict[str, Any]]:
    """Return the refused requests that belong to the sandbox's ``file``, oldest first."""
    target = refused_path(file)
    if not target.exists():
        return []
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
