"""What to do with a running demo: where to look, and three things to try."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

from . import people
from .terminal import Terminal

TRY_CODE = "271828"


@dataclass(frozen=True)
class Place:
    """Where the demo runs, and the key that opens its API."""

    url: str
    sandbox_url: str
    key: str


def say_where(terminal: Terminal, place: Place) -> None:
    """Say where to look and what to try."""
    terminal.heading("Look around")
    terminal.item("console", f"{place.url}/admin/   log in as {people.ADMIN_NAME}, password {people.ADMIN_PASSWORD}")
    terminal.item("what arrived", f"{place.sandbox_url}/sandbox/   the sandbox's inbox")
    terminal.heading("Three things to try")
    terminal.line("  1. Send Ada a login code:\n")
    terminal.line(f"     {send_line(place)}\n")
    terminal.line("  2. See what became of it, and of all else that Ada was sent:\n")
    terminal.line(f"     {timeline_url(place)}\n")
    terminal.line("  3. Break Twilio for a minute, send the code again, and watch its timeline explain itself:\n")
    terminal.line(f"     {break_line(place)}\n")
    terminal.line("Ctrl-C stops everything; the data stays. `make demo RESET=1` begins anew.")


def send_line(place: Place) -> str:
    """Return a line for a shell that sends a login code."""
    body = json.dumps({"user": people.ADA, "template": "login-code", "data": {"code": TRY_CODE}})
    return (
        f"curl -sS {place.url}/api/v1/notifications/ -H 'Authorization: Api-Key {place.key}' "
        f"-H \"Idempotency-Key: $(date +%s%N)\" -H 'Content-Type: application/json' -d '{body}'"
    )


def timeline_url(place: Place) -> str:
    """Return the link to Ada's timeline in the console."""
    return f"{place.url}/admin/carillon/person/?{urlencode({'q': people.ADA_EMAIL})}"


def break_line(place: Place) -> str:
    """Return a line for a shell that takes Twilio away for a minute."""
    body = json.dumps({"mode": "outage", "seconds": 60})
    return f"curl -sS {place.sandbox_url}/sandbox/faults/twilio -H 'Content-Type: application/json' -d '{body}'"
