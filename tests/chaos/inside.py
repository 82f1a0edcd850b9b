"""What scenarios share that run inside a deployment's own process: Django, forks that may die, shorter waits.

Import it first: it sets Django up.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.db import connection  # noqa: E402 - Django comes first
from redis import Redis  # noqa: E402
from rq.worker.base import StopRequested  # noqa: E402

from notifications import conf  # noqa: E402
from notifications.flows import outcomes  # noqa: E402
from notifications.sandbox.records import Accepted, parse_line, read_file  # noqa: E402

TOO_LONG = 99
STOPPED_WHILE_ENDING = 71  # RQ's worker was idle and on its way out when the signal came
CHILD_SECONDS = 60.0
_inherited: list[object] = []


def fork(work: Callable[[], None]) -> int:
    """Do work in a forked child over connections of its own and return its pid; the child ends with the work."""
    child = os.fork()
    if child:
        return child
    try:
        _inherited.append(connection.connection)  # closing it here would close the parent's
        connection.connection = None
        work()
    except StopRequested:
        os._exit(STOPPED_WHILE_ENDING)
    except BaseException:  # noqa: BLE001 - whatever it is, a fork must not become a second parent
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def ended(child: int, seconds: float = CHILD_SECONDS) -> int:
    """Wait for a child and return its exit status, or the negative number of the signal that ended it."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TOO_LONG


def shorten_waits(lease: float, doubt: float, sweep: float = 0.2) -> None:
    """Shorten what a healthy worker would wait for, in this process and those that it forks from now on."""
    conf.LEASE_SECONDS = lease  # type: ignore[assignment]
    conf.UNCERTAIN_WAIT_SECONDS = doubt  # type: ignore[assignment]
    outcomes._UNCERTAIN_WAIT = timedelta(seconds=doubt)
    conf.SWEEPER_LEASE_SECONDS = 2 * sweep  # type: ignore[assignment]
    conf.SWEEP_SECONDS = sweep  # type: ignore[assignment]


def patient_redis() -> Redis:
    """Return the harness' own way to Redis: unlike the product it can wait when the machine is busy."""
    return Redis.from_url(os.environ["REDIS_URL"], socket_timeout=CHILD_SECONDS)


class SandboxFile:
    """The sandbox's file, read on from where it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def new_lines(self) -> list[Accepted]:
        """Return what was accepted since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            data = lines.read()
        self._offset += len(data)
        return [parse_line(line) for line in data.splitlines()]

    def all_lines(self) -> list[Accepted]:
        """Return everything that was ever accepted."""
        return read_file(self._path)
