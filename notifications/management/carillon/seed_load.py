"""`carillon seed-load`: fill the log for load tests, with a bar; `--remove` takes it away again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import cast

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from notifications.flows.seed import CannotSeed, Load, remove, seed

from .base import Console, Subcommand

_BAR = 30
_EVERY_SECONDS = 1.0


class SeedLoad(Subcommand):
    """Fills the log with deliveries that have ended, or takes them away."""

    name = "seed-load"
    help = "fill the log with millions of past deliveries, for load tests; nothing of it is ever sent"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--deliveries", type=_count, default=10_000_000, help="how many (default: 10,000,000)")
        parser.add_argument("--users", type=_count, default=100_000, help="how many are made (default: 100,000)")
        parser.add_argument("--weeks", type=_count, default=8, help="the past weeks to fill (default: 8)")
        parser.add_argument("--seed", type=int, default=1, help="another number makes other rows (default: 1)")
        parser.add_argument("--remove", action="store_true", help="take away what was made")
        parser.add_argument("--yes", action="store_true", help="do it although DEBUG is off")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Fill or remove; return 0."""
        if not settings.DEBUG and not options["yes"]:
            raise CommandError(
                "DEBUG is off, so this may be where real people are: users and deliveries that are none would be made "
                "or removed in this database. Say --yes if that is meant."
            )
        if options["remove"]:
            gone = max(_told(console, remove(), None))
            console.note(f"{gone:,} deliveries were taken away, with their users and categories.")
            return 0
        numbers = (cast("int", options[name]) for name in ("deliveries", "users", "weeks", "seed"))
        load = Load(*numbers)
        try:
            max(_told(console, seed(load), load.deliveries))
        except CannotSeed as error:
            raise CommandError(str(error)) from error
        console.note(
            f"There are {load.deliveries:,} seeded deliveries to {load.users:,} users; --remove takes them away."
        )
        return 0


def _told(console: Console, counts: Iterator[int], total: int | None) -> Iterator[int]:
    """Pass counts on, and tell how far it is once a second and at the end."""
    began = told = time.monotonic()
    first: int | None = None
    for count in counts:
        now = time.monotonic()
        first = count if first is None else first
        if now - told >= _EVERY_SECONDS or count == total:
            told = now
            console.note(line(count, total, (count - first) / max(now - began, 0.001)))
        yield count


def line(count: int, total: int | None, rate: float) -> str:
    """Return one line that says how far it is, how fast, and how long the rest will take."""
    if total is None:
        return f"{count:>12,}  {rate:,.0f}/s"
    bar = ("#" * int(_BAR * count / total)).ljust(_BAR, ".")
    left = f", {(total - count) / rate:,.0f} s left" if rate and count < total else ""
    return f"[{bar}] {count / total:4.0%}  {count:,} of {total:,}, {rate:,.0f}/s{left}"


def _count(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
