"""`carillon after-restore`: what may have gone out since the backup is marked before a worker sends it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.core.management.base import CommandError, CommandParser

from notifications.flows.after_restore import Suspects, WorkersRun, doubt_all, suspects
from notifications.flows.operate import By
from notifications.models import Delivery

from .base import Console, Subcommand


class AfterRestore(Subcommand):
    """Doubts what a restored database takes for unsent, or says how much that is."""

    name = "after-restore"
    help = "after a restore from a backup, before workers start: mark what may have gone out since; --yes does it"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--yes", action="store_true", help="do it; without, only count")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Doubt, or count; return 0.

        Raises:
            CommandError: workers run already.
        """
        until = Delivery.objects.database_now()
        _show(console, suspects(until))
        if not options["yes"]:
            console.note("Nothing was changed; with --yes these will be taken as perhaps sent.")
            return 0
        done = _doubt(console, until)
        console.note(f"{done} are taken as perhaps sent. Start the workers: each category's policy decides about them.")
        return 0


def _doubt(console: Console, until: datetime) -> int:
    by = By(f"carillon {AfterRestore.name}", "restored from a backup")
    try:
        return doubt_all(by, until, lambda done: console.note(f"{done} ..."))
    except WorkersRun as error:
        raise CommandError(
            "workers run: stop them first, for what they claim goes out unmarked "
            "(one that was killed counts for a minute)"
        ) from error


def _show(console: Console, found: Suspects) -> None:
    for count, what in (
        (found.waiting, "wait, and were due"),
        (found.sending, "were being sent"),
        (found.dead, "are dead letters, which may have been replayed"),
    ):
        console.out.write(f"{count:>8}  {what}")
    for line in found.broadcasts:
        console.out.write(f"broadcast {line}: it goes on; cancel it if it was cancelled since the backup")
