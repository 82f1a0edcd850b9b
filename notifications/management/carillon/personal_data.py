"""`carillon export` and `carillon erase`: what is kept about one recipient, with an account, a former one, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from notifications.flows.belongings import known_recipients
from notifications.flows.erase import erase, foresee_erasure
from notifications.flows.export import export

from .base import Console, Subcommand, text_of

ACTOR = "carillon erase"
_WHO = "a user, u:<key>, a:<hash>, or the email or number of somebody without an account"


class Export(Subcommand):
    """Prints everything that is kept about one recipient."""

    name = "export"
    help = "print everything that is kept about one recipient, as JSON"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("recipient", help=_WHO)

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Print it; return 0."""
        found = only_one(text_of(options, "recipient"))
        console.out.write(json.dumps(export(found), cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
        return 0


class Erase(Subcommand):
    """Forgets one recipient, or says what would go."""

    name = "erase"
    help = "forget one recipient; without --yes, only say what would go"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("recipient", help=_WHO)
        parser.add_argument("--yes", action="store_true", help="do it, without asking")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Erase, or count what would go; return 0."""
        found = only_one(text_of(options, "recipient"))
        is_meant = bool(options["yes"])
        counts = erase(found, actor=ACTOR) if is_meant else foresee_erasure(found)
        for name, count in counts.items():
            if count:
                console.out.write(f"{count:>8}  {name.replace('_', ' ')}")
        if is_meant:
            console.note(f"{found} is erased.")
        else:
            console.note(f"This is what would go of {found}. Nothing was erased; with --yes it will be.")
        return 0


def only_one(term: str) -> str:
    """Return the one recipient that a term means.

    Raises:
        CommandError: it means nobody of whom anything is kept, or several.
    """
    found = known_recipients(term.strip())
    if not found:
        raise CommandError(f"nothing is kept about {term!r}, and there is no such user")
    if len(found) > 1:
        raise CommandError(f"{term!r} means {len(found)} recipients, name one of them: {', '.join(found)}")
    return found[0]
