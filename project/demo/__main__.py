"""`python -m project.demo`: see `make demo`. ONCE=1 ends after the table, RESET=1 begins anew."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from . import people
from .client import Api
from .closing import say_where
from .console import Operator
from .ledger import Ledger
from .outcomes import OUTCOMES, World
from .scenario import missed, run_all
from .stack import ROOT, Stack
from .starting import Started, shown, start
from .terminal import Terminal, table

_MOST_LINES = 12
BREAK = "CARILLON_DEMO_BREAK"
"""Names the outcome that is to fail: a test's way to see that the demo notices."""


def main() -> int:
    """Run the demo and return its exit status."""
    terminal = Terminal()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    once = os.environ.get("ONCE") == "1"
    try:
        return _run(terminal, os.environ, once=once)
    except KeyboardInterrupt:
        terminal.line("\nStopped. The data stays; `make demo RESET=1` begins anew.")
        return 130 if once else 0
    except (RuntimeError, OSError) as error:
        terminal.line(f"\nThe demo could not go on: {last_words(error)}")
        return 1


def _run(terminal: Terminal, environ: Mapping[str, str], *, once: bool) -> int:
    broken = environ.get(BREAK, "")
    names = [item.name for item in OUTCOMES]
    if broken and broken not in names:
        raise RuntimeError(f"{BREAK} must be one of: {', '.join(names)}")
    folder = Path(environ.get("CARILLON_DEMO_DIR") or ROOT / "build" / "demo")
    if environ.get("RESET") == "1" and environ.get("DATABASE_URL"):
        raise RuntimeError("RESET=1 empties the demo's own database; DATABASE_URL names yours: empty it yourself")
    terminal.line("Carillon, from one call to the phone and back. All of it runs on this machine.")
    with ExitStack() as running:
        started = start(terminal, folder, environ, running)
        terminal.heading("Sending, over HTTP as any client would")
        rows = run_all(_world(started, terminal, folder, broken))
        terminal.heading("What became of it, by the sandbox's own file and the API's answers")
        for line in table(rows, terminal.look):
            terminal.line(line)
        failing = missed(rows)
        terminal.line(f"\n{summary(len(rows), failing)} {terminal.seconds:.0f} s in all.")
        if not once:
            say_where(terminal, started.place)
            _stay(terminal, started.stack, folder)
    return 1 if failing else 0


def summary(count: int, failing: Sequence[str]) -> str:
    """Return the sentence under the table."""
    if not failing:
        return f"All {count} outcomes were seen."
    return f"{len(failing)} of {count} outcomes not seen: {', '.join(failing)}."


def last_words(error: Exception) -> str:
    """Return an error's text, of a long one its first and its last lines."""
    lines = str(error).splitlines()
    return "\n".join(lines if len(lines) <= _MOST_LINES else [lines[0], "…", *lines[2 - _MOST_LINES :]])


def _world(started: Started, terminal: Terminal, folder: Path, broken: str) -> World:
    place, stack = started.place, started.stack
    return World(
        api=Api(place.url, place.key),
        operator=Operator(place.url, people.ADMIN_NAME, people.ADMIN_PASSWORD),
        ledger=Ledger(folder / "sandbox.jsonl"),
        sandbox=stack.sandbox.client,
        run=secrets.token_hex(3),
        say=terminal.progress,
        broken=broken,
        log=f"{shown(folder)}/worker.log",
    )


def _stay(terminal: Terminal, stack: Stack, folder: Path) -> None:
    """Stay until somebody stops the demo; tell it if a process ends before."""
    told: set[str] = set()
    while True:
        time.sleep(1)
        for name, process in stack.processes.items():
            if process.poll() is not None and name not in told:
                told.add(name)
                terminal.line(f"The {name} ended with status {process.returncode}; see {shown(folder)}/{name}.log")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
