"""A worker lets web processes on its machine go first, with all of its threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.demo.stack import Stack
from tests.live import wait_for


def niceness(pid: int) -> set[int]:
    """Return how nice the threads of a process are, each by itself: that is what Linux schedules by."""
    return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}


def test_every_thread_of_a_worker_is_nice(stack: Stack) -> None:
    process = stack.start_worker()
    wait_for(lambda: len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 1, "the sweeper")
    wait_for(lambda: niceness(process.pid) == {10}, "a nice worker")


@pytest.mark.parametrize(("started", "wanted", "becomes"), [(0, 10, 10), (15, 10, 15), (3, 10, 10), (0, 0, 0)])
def test_a_worker_that_was_started_as_nicer_stays_so(started: int, wanted: int, becomes: int) -> None:
    code = f"import os; from notifications.workers import give_way; give_way({wanted}); print(os.nice(0))"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = ["nice", "-n", str(started), sys.executable, "-c", f"import django; django.setup(); {code}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) == becomes
