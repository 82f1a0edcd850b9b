"""`carillon topics`: which there are, and users put on one from a CSV file of any length."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from django.core.management.base import CommandError, CommandParser
from django.db import reset_queries

from notifications.declarations import SLUG
from notifications.exceptions import InvalidData
from notifications.flows.topic_files import MOST_NAMED, Import, Imported, import_users
from notifications.flows.topics import count_subscribers
from notifications.models import Topic

from .base import Console, Subcommand, text_of

_TOLD_EVERY = 100_000


class Topics(Subcommand):
    """Lists topics and imports users."""

    name = "topics"
    help = "list topics, or put the users of a CSV file on one"
    below = ("list", "import")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        below = parser.add_subparsers(dest="below", metavar="|".join(self.below), required=True)
        below.add_parser("list", help="every topic with its subscribers")
        importing = below.add_parser("import", help="put the users of a CSV file on a topic, or take them off")
        importing.add_argument("slug", help="the topic; one that is new is made")
        importing.add_argument("file", help="a CSV file in UTF-8; - reads stdin")
        importing.add_argument("--column", help="the column that holds the users, as the first line names it")
        how = importing.add_mutually_exclusive_group()
        how.add_argument("--remove", action="store_true", help="take these users off the topic")
        how.add_argument("--replace", action="store_true", help="leave nobody else on the topic")
        importing.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be changed")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Do it; return 1 if the file names users who do not exist."""
        if options["below"] == "list":
            return _list(console)
        slug = text_of(options, "slug")
        if not SLUG.match(slug):
            raise CommandError(f"{slug!r} cannot be a topic: lower-case letters, digits, - and _, 63 at most")
        wanted = Import(
            slug,
            column=text_of(options, "column"),
            remove=bool(options["remove"]),
            replace=bool(options["replace"]),
            dry_run=bool(options["dry_run"]),
        )
        try:
            with _opened(text_of(options, "file")) as file:
                done = import_users(wanted, file, each=lambda so_far: _tell(console, so_far))
        except InvalidData as error:
            raise CommandError(" ".join([str(error), *(problem.detail for problem in error.problems)])) from error
        return _report(console, wanted, done)


def _list(console: Console) -> int:
    for topic in Topic.objects.order_by("slug").iterator():
        console.out.write(f"{count_subscribers(topic).told():>18}  {topic.slug}")
    return 0


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    if name == "-":
        sys.stdin.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # stdin is a text stream
        yield sys.stdin
        return
    try:
        with open(name, encoding="utf-8", newline="") as file:  # noqa: PTH123 - a name, as it was typed
            yield file
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error


def _tell(console: Console, so_far: Imported) -> None:
    reset_queries()  # which Django keeps where DEBUG is on
    if so_far.lines % _TOLD_EVERY == 0:
        console.note(f"{so_far.lines:,} lines")


def _report(console: Console, wanted: Import, done: Imported) -> int:
    if not wanted.remove:
        console.step("added", f"{done.added:,}")
    if wanted.remove or wanted.replace:
        console.step("removed", f"{done.removed:,}")
    console.step("unchanged", f"{done.unchanged:,}")
    if wanted.dry_run:
        console.note("Nothing was changed.")
    if not done.unknown:
        return 0
    console.step("unknown", f"{done.unknown:,}")
    more = f" and {done.unknown - MOST_NAMED:,} more" if done.unknown > MOST_NAMED else ""
    console.note(f"No such user in lines {', '.join(map(str, done.unknown_lines))}{more}")
    return 1
