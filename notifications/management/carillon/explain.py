"""`carillon explain`: what would happen to a message, and why; nothing is sent and nothing is written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from django.core.management.base import CommandError, CommandParser

from notifications.channels import SPECS
from notifications.enums import Channel, State
from notifications.exceptions import RequestRejected, UnknownRecipient
from notifications.flows.explain import Explanation, Outcome, explain
from notifications.flows.recipients import find_recipient
from notifications.flows.requests import Request
from notifications.messages import Address
from notifications.rules.foresight import Verdict
from notifications.rules.planning import Person

from .base import Console, Subcommand, text_of

_MARKS = {Verdict.PASSES: "ok", Verdict.WAITS: "waits", Verdict.STOPS: "stops", Verdict.NOT_ASKED: "-"}


class Explain(Subcommand):
    """Tells the outcome per target, and each rule's part in it."""

    name = "explain"
    help = "tell what would happen to a message on each channel, and why; sends and writes nothing"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("user", help="a user, a mailbox, or a number such as +4915112345678")
        parser.add_argument("template")
        parser.add_argument(
            "--at",
            type=moment,
            help="as if asked at this time, such as 2026-12-01T03:00; the recipient's, unless it has an offset",
        )
        parser.add_argument("--channel", action="append", choices=Channel.values, help="only this one; repeatable")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Print a table per target; return 0."""
        channels = tuple(cast("list[str] | None", options["channel"]) or ())
        try:
            person = recipient(text_of(options, "user").strip())
            request = Request(person, text_of(options, "template"), channels=channels)
            told = explain(request, cast("datetime | None", options["at"]))
        except RequestRejected as error:
            raise CommandError(f"{error.detail} {'; '.join(item.detail for item in error.problems)}") from error
        console.note(_title(told))
        for outcome in told.outcomes:
            _print(console, told, outcome)
        return 0


def moment(text: str) -> datetime:
    """Return a date and time.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-12-01T03:00") from error


def recipient(to: str) -> Person:
    """Return whom the argument means: a user, else an address.

    Raises:
        UnknownRecipient: it means nobody.
    """
    try:
        return find_recipient(to)
    except UnknownRecipient:
        if "@" in to:
            return find_recipient(Address(email=to))
        if to.startswith("+"):
            return find_recipient(Address(sms=to))
        raise


def _title(told: Explanation) -> str:
    return f"{told.template} ({told.category}) to {told.recipient}, as of {_clock(told, told.at)}"


def _print(console: Console, told: Explanation, item: Outcome) -> None:
    to = SPECS[item.channel].mask(item.address) if item.address else "nobody"
    reason = f" ({item.reason})" if item.reason else ""
    through = f" through {item.provider}" if item.provider else ""
    due = f", due {_clock(told, item.due_at)}" if item.state == State.PENDING else ""
    fallback = " [fallback]" if item.step else ""
    console.out.write("")
    console.out.write(f"{item.channel}{fallback} to {to}: {item.state}{reason}{through}{due}")
    console.out.write(f"  {item.explanation}")
    if item.fallback_at is not None:
        console.out.write(f"  The next channel is considered at {_clock(told, item.fallback_at)}.")
    width = max(len(str(line.rule.label)) for line in item.lines)
    for line in item.lines:
        cure = f"  <- {line.cure}" if line.verdict in (Verdict.STOPS, Verdict.WAITS) else ""
        console.out.write(f"  {_MARKS[line.verdict]:<6}{line.rule.label!s:<{width}}  {line.input}{cure}")


def _clock(told: Explanation, at: datetime) -> str:
    return f"{at.astimezone(told.zone):%Y-%m-%d %H:%M} {told.zone.key}"
