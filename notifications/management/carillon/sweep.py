"""`carillon sweep`: the sweeper as a process of its own, for those who do not want it beside a worker."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import FrameType

from django.core.management.base import CommandParser

from notifications.flows.stopping import stopping
from notifications.flows.sweep import sweep
from notifications.jobs import worker_name
from notifications.models.deadlines import set_deadlines
from notifications.workers import Sweeper

from .base import Console, Subcommand


class Sweep(Subcommand):
    """Repairs what is due, lost or stuck, until it is stopped."""

    name = "sweep"
    help = "repair what is due, lost or stuck, every two seconds; every worker does this too, so it is optional"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--once", action="store_true", help="do one round and end")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Sweep; SIGTERM and SIGINT let the round that is under way finish."""
        set_deadlines()
        if options["once"]:
            led = sweep(worker_name())
            console.note("Swept once." if led else "Another process leads and sweeps; nothing was done.")
            return 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        console.note("Sweeping; Ctrl-C stops it.")
        Sweeper(worker_name()).run()
        console.note("Stopped.")
        return 0


def _stop(_: int, __: FrameType | None) -> None:
    stopping.set()
