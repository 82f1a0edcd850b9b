"""`carillon audience`: how many people an audience means, and what a template's message to them would become."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.core.management.base import CommandError, CommandParser

from notifications.exceptions import RequestRejected
from notifications.flows.estimate import Estimate, count_members, estimate
from notifications.flows.launch import BroadcastRequest

from .base import Console, Subcommand, text_of


class Audiences(Subcommand):
    """Estimates a broadcast; nothing is stored."""

    name = "audience"
    help = "how many people an audience means; with --template, what would become of a broadcast to them"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("audience", help="a declared audience, or the JSON that POST broadcasts/ takes")
        parser.add_argument("params", nargs="*", metavar="NAME=VALUE", help="its parameters, as JSON or plain text")
        parser.add_argument("--exclude", metavar="JSON", help="whom to leave out, as POST broadcasts/ takes it")
        parser.add_argument("--template", help="a template: then also deliveries by channel, from a sample")
        parser.add_argument("--data", metavar="JSON", default="{}", help="the template's variables")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Print the estimate; return 0."""
        exclude = _object(text_of(options, "exclude"), "--exclude") if options.get("exclude") else None
        audience, template = _audience(options), text_of(options, "template")
        try:
            if template:
                data = _object(text_of(options, "data"), "--data")
                found = estimate(BroadcastRequest(template, audience, data, exclude))
            else:
                found = count_members(audience, exclude)
        except RequestRejected as error:
            told = "".join(f"\n  {problem.pointer}: {problem.detail}" for problem in error.problems)
            raise CommandError(f"{error}{told}") from error
        _print(console, found)
        return 0


def _print(console: Console, found: Estimate) -> None:
    console.step("people", found.told())
    for channel, forecast in found.channels.items():
        console.step(channel, f"{forecast.deliveries:,} deliveries")
        for reason, count in forecast.skipped.items():
            console.step("", f"{count:,} not: {reason}")
    if found.channels and found.sampled < found.members:
        console.note(f"Deliveries are extrapolated from {found.sampled:,} people.")


def _audience(options: Mapping[str, object]) -> dict[str, object]:
    name = text_of(options, "audience")
    params = options["params"]
    given = dict(_pair(str(item)) for item in params) if isinstance(params, list) else {}
    if name.lstrip().startswith("{"):
        if given:
            raise CommandError("an audience in JSON has its parameters in it")
        return _object(name, "audience")
    return {"name": name, "params": given}


def _pair(text: str) -> tuple[str, object]:
    name, is_given, value = text.partition("=")
    if not is_given:
        raise CommandError(f"{text!r} is no parameter; write name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _object(text: str, name: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandError(f'{name} must be a JSON object, such as {{"topic": "news"}}')
    return found
