"""`carillon broadcast`: what broadcasts there are, and one of them as it goes out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import cast
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q
from django.utils.timezone import localtime

from notifications.enums import BroadcastStatus
from notifications.flows.status import Progress, progress_of
from notifications.models import Broadcast

from .base import Console, Subcommand

_OVER = (BroadcastStatus.DONE, BroadcastStatus.CANCELLED, BroadcastStatus.STOPPED)
_BAR = 30


class Broadcasts(Subcommand):
    """Shows broadcasts; launching one is for `broadcast()`, the API and the admin."""

    name = "broadcast"
    help = "list the newest broadcasts; with --watch, follow one until it is done"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--watch", metavar="ID", type=UUID, help="the broadcast's or its notification's id")
        parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks (default: 1)")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """List, or watch one; return 1 if what was watched was cancelled or stopped."""
        if options["watch"] is None:
            newest = list(Broadcast.objects.order_by("-pk")[:20])
            progress = progress_of(newest)
            for made in newest:
                console.out.write(line(made, progress[made.pk]))
            return 0
        return _watch(console, cast("UUID", options["watch"]), max(0.05, cast("float", options["every"])))


def line(made: Broadcast, progress: Progress) -> str:
    """Return one line that says how far a broadcast is."""
    counts = asdict(progress.counts)
    planned, waiting = counts["planned"], counts["waiting"] + counts["uncertain"]
    # While planning goes on, nobody knows how many there will be: then there is no share to show.
    known = planned and (made.planned_at is not None or made.status in _OVER)
    share = (planned - waiting) / planned if known else 0.0
    bar = ("#" * int(_BAR * share)).ljust(_BAR, ".")
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    rate = f", {progress.per_second:g}/s" if progress.per_second else ""
    end = f", done about {localtime(progress.eta):%H:%M:%S}" if progress.eta else ""
    return f"{made.pk}  [{bar}] {share:4.0%}  {made.status}: {shown or 'nobody yet'}{rate}{end}"


def _watch(console: Console, key: UUID, every: float) -> int:
    shown = ""
    while True:
        made = Broadcast.objects.filter(Q(pk=key) | Q(notification_id=key)).first()
        if made is None:
            raise CommandError(f"there is no broadcast {key}; `carillon broadcast` lists the newest")
        latest = line(made, progress_of([made])[made.pk])
        if latest != shown:
            console.out.write(latest)
            console.out.flush()
            shown = latest
        if made.status in _OVER:
            return 0 if made.status == BroadcastStatus.DONE else 1
        time.sleep(every)
