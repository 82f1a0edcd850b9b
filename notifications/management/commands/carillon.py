"""`manage.py carillon <subcommand>`: one namespaced command for everything that is done from a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError, router

from notifications.checks.database import first_line, unreached
from notifications.conf import did_you_mean
from notifications.exceptions import ConfigurationError
from notifications.management.carillon.after_restore import AfterRestore
from notifications.management.carillon.api_key import ApiKeys
from notifications.management.carillon.audience import Audiences
from notifications.management.carillon.base import Console, Subcommand
from notifications.management.carillon.broadcast import Broadcasts
from notifications.management.carillon.doctor import Doctor
from notifications.management.carillon.explain import Explain
from notifications.management.carillon.personal_data import Erase, Export
from notifications.management.carillon.sandbox import Sandbox, run_sandbox
from notifications.management.carillon.seed_load import SeedLoad
from notifications.management.carillon.sweep import Sweep
from notifications.management.carillon.templates import Templates
from notifications.management.carillon.topics import Topics
from notifications.management.carillon.trial import Trial
from notifications.models import Delivery

SUBCOMMANDS: dict[str, Subcommand] = {
    item.name: item
    for item in (
        AfterRestore(),
        ApiKeys(),
        Audiences(),
        Broadcasts(),
        Doctor(),
        Erase(),
        Explain(),
        Export(),
        Sandbox(),
        SeedLoad(),
        Sweep(),
        Templates(),
        Topics(),
        Trial(),
    )
}


class Command(BaseCommand):
    """Runs one subcommand; each is a file in `notifications/management/carillon/`."""

    help = "Carillon: " + ", ".join(SUBCOMMANDS)
    # A stack of lines about the settings belongs to `manage.py check`; here only what stops the subcommand.
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare every subcommand's arguments."""
        below = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
        for item in SUBCOMMANDS.values():
            item.add_arguments(below.add_parser(item.name, help=item.help, description=item.help))

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from the command line; a mistyped subcommand is answered with the nearest one."""
        if argv[2:3] == [Sandbox.name]:
            # Without checks and without Django's options: it has nothing to do with this project's settings.
            try:
                sys.exit(run_sandbox(argv[3:]))
            except CommandError as error:
                self.stderr.write(f"CommandError: {error}")
                sys.exit(1)
        mistake = mistyped(argv[2:])
        if mistake:
            self.stderr.write(mistake)
            sys.exit(2)
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Check the settings first, except for the sandbox, and for the doctor, who tells of everything."""
        if options.get("subcommand") in (Sandbox.name, Doctor.name):
            options["skip_checks"] = True
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand; any status but 0 ends the process with it."""
        try:
            status = SUBCOMMANDS[options["subcommand"]].run(Console(self.stdout, self.stderr), options)
        except ConfigurationError as error:
            raise CommandError(f"{error}\nRun `manage.py check` for the whole list.") from error
        except ProgrammingError as error:
            raise CommandError(
                f"The tables are not there yet ({first_line(error)}): run `manage.py migrate`."
            ) from error
        except OperationalError as error:
            what, cure = unreached(router.db_for_write(Delivery), error)
            raise CommandError(f"{what}\n{cure[0].upper()}{cure[1:]}.") from error
        if status:
            sys.exit(status)


def mistyped(words: Sequence[str]) -> str:
    """Return what is wrong with the first words of a command line, or "" if they name something."""
    given = [word for word in words[:2] if not word.startswith("-")]
    if not given:
        return "" if words else f"Which one? {did_you_mean('', tuple(SUBCOMMANDS))}"
    first = SUBCOMMANDS.get(given[0])
    if first is None:
        return f"There is no `carillon {given[0]}`: {did_you_mean(given[0], tuple(SUBCOMMANDS))}"
    if first.below and len(given) > 1 and given[1] not in first.below:
        return f"There is no `carillon {first.name} {given[1]}`: {did_you_mean(given[1], first.below)}"
    return ""
