"""`carillon broadcast`: what broadcasts there are, and one of them as it goes out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import cast
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections
from django.db.models import Q
from django.utils.timezone import localtime

from notifications.enums import BroadcastStatus
from notifications.exceptions import RequestRejected
from notifications.flows.draft_preview import preview_broadcast
from notifications.flows.plan import steps_of
from notifications.flows.status import Progress, progress_of
from notifications.models import Broadcast, Category, Notification
from notifications.models.deadlines import is_away

from .base import Console, Subcommand

_OVER = (BroadcastStatus.DONE, BroadcastStatus.CANCELLED, BroadcastStatus.STOPPED)
_BAR = 30


class Broadcasts(Subcommand):
    """Shows broadcasts; launching one is for `broadcast()`, the API and the admin."""

    name = "broadcast"
    help = "list the newest broadcasts; watch one until it is done, preview a draft, or list who was left out"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--watch", metavar="ID", type=UUID, help="the broadcast's or its notification's id")
        parser.add_argument("--preview", metavar="ID", type=UUID, help="a draft: what its first recipients would get")
        parser.add_argument("--left-out", metavar="ID", type=UUID, help="who could not be planned, and why")
        parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks (default: 1)")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """List, or look at one; return 1 if what was watched was cancelled or stopped, or a preview shows gaps."""
        for name, look in (("preview", _preview), ("left_out", _left_out)):
            if options[name] is not None:
                return look(console, _find(cast("UUID", options[name])))
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
    known = planned and (made.planned_at is not None or made.status == BroadcastStatus.DONE)
    share = (planned - waiting) / planned if known else 0.0
    bar = ("#" * int(_BAR * share)).ljust(_BAR, ".")
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    rate = f", {progress.per_second:g}/s" if progress.per_second else ""
    left_out = f", {made.problems} left out" if made.problems else ""
    why = f" ({made.stopped_for})" if made.stopped_for else ""
    end = f", done about {localtime(progress.eta):%H:%M:%S}" if progress.eta else ""
    return f"{made.pk}  [{bar}] {share:4.0%}  {made.status}{why}: {shown or 'nobody yet'}{left_out}{rate}{end}"


def _find(key: UUID) -> Broadcast:
    made = Broadcast.objects.filter(Q(pk=key) | Q(notification_id=key)).first()
    if made is None:
        raise CommandError(f"there is no broadcast {key}; `carillon broadcast` lists the newest")
    return made


def _preview(console: Console, made: Broadcast) -> int:
    try:
        found = preview_broadcast(made.pk)
    except RequestRejected as error:
        raise CommandError(str(error)) from error
    which = "all" if found.is_all else "the first"
    sends = ", ".join(f"{count} by {channel}" for channel, count in found.would_send.items())
    console.out.write(f"looked at {which} {found.recipients} recipients; would send {sends or 'nothing'}")
    for gap in found.gaps:
        channel = f"{gap.channel}: " if gap.channel else ""
        console.out.write(f"{gap.count:7}  {channel}{gap.what} (for example {', '.join(gap.examples) or '?'})")
    return 1 if found.gaps else 0


def _left_out(console: Console, made: Broadcast) -> int:
    for row in made.left_out.order_by("pk").iterator():
        console.out.write(f"{row.recipient}  {row.error}")
    return 0


def _watch(console: Console, key: UUID, every: float) -> int:
    shown, was_away = "", False
    while True:
        try:
            made = _find(key)
            latest = line(made, progress_of([made])[made.pk])
        except (OperationalError, InterfaceError) as error:
            # What never could be reached is told as for any command.
            if not shown or not is_away(error):
                raise
            if not was_away:
                console.note("The database is away; looking again until it is back.")
            was_away = True
            close_old_connections()
            time.sleep(every)
            continue
        if was_away:
            console.note("The database is back.")
            was_away = False
        if latest != shown:
            console.out.write(latest)
            console.out.flush()
            shown = latest
        if made.status in _OVER:
            _tell_what_may_follow(console, made)
            return 0 if made.status == BroadcastStatus.DONE else 1
        time.sleep(every)


def _tell_what_may_follow(console: Console, made: Broadcast) -> None:
    """Say that those who do not confirm get another channel later, where that is so: nobody counts how many may."""
    notification = Notification.objects.filter(pk=made.notification_id).first()
    category = Category.objects.filter(slug=notification.category).first() if notification is not None else None
    if made.status != BroadcastStatus.DONE or notification is None or category is None:
        return
    later = [channel for step in steps_of(notification, category)[1:] for channel in step]
    if later and category.fallback_after is not None:
        wait = f"{category.fallback_after.total_seconds() / 60:g} minutes"
        console.note(f"Who does not confirm it within {wait} may still get it by {', '.join(later)}; then it goes on.")
