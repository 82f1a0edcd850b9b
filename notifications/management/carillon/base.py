"""What every subcommand of `manage.py carillon` is."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.core.management.base import CommandError, CommandParser, OutputWrapper

_DURATION = re.compile(r"^(\d+)([mhdw])$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass
class Console:
    """Where a subcommand writes: results to `out`, everything about them to `err`."""

    out: OutputWrapper
    err: OutputWrapper

    def note(self, text: str) -> None:
        """Tell the person at the terminal something that is not the result."""
        self.err.write(text, style_func=str)

    def step(self, name: str, text: object) -> None:
        """Print one step of something that is under way."""
        self.out.write(f"{name:<12}{text}")
        self.out.flush()


class Subcommand:
    """One subcommand: a door without rules of its own."""

    name: str
    help: str
    #: Subcommands below this one, by name; for "did you mean".
    below: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Do it, and return the exit status.

        Raises:
            CommandError: it cannot be done; the text says why and what to do.
        """
        raise NotImplementedError


def duration(text: str) -> timedelta:
    """Return a duration such as 90d, 12h, 30m or 2w.

    Raises:
        ArgumentTypeError: it is none.
    """
    found = _DURATION.match(text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 30m, 12h, 90d or 2w")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is too long") from error


def text_of(options: Mapping[str, object], name: str) -> str:
    """Return an option as text, empty if it was not given.

    Raises:
        CommandError: it contains a line break, which no argument here may have.
    """
    value = str(options.get(name) or "")
    if len(value.splitlines()) > 1:
        raise CommandError(f"{name} must be one line")
    return value
