"""A worker lets web processes on its machine go first, unless it was told otherwise."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from notifications.workers import AUTOGROUP
from project.demo.stack import Stack
from tests.live import wait_for

pytestmark = pytest.mark.skipif(not AUTOGROUP.exists(), reason="Linux tells how nice a thread and a session are")


def niceness(pid: int) -> set[int]:
    """Return how nice the threads of a process are, each by itself: that is what Linux schedules by."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            found.add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return found


def test_a_worker_and_its_session_are_nice(stack: Stack) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    process = stack.start_worker()
    wait_for(lambda: len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 1, "the sweeper")
    wait_for(lambda: niceness(process.pid) == {own or 10}, "a nice worker")
    if not own:
        # Alone, the niceness of a process counts for nothing against another session.
        assert Path(f"/proc/{process.pid}/autogroup").read_text().endswith("nice 10\n")


@pytest.mark.skipif(os.getpriority(os.PRIO_PROCESS, 0) != 0, reason="these tests are nice themselves")
@pytest.mark.parametrize(("started", "wanted", "becomes"), [(0, 10, 10), (15, 10, 15), (3, 10, 3), (0, 0, 0)])
@pytest.mark.parametrize("leads", [True, False])
def test_one_that_was_started_with_a_niceness_of_its_own_keeps_it(
    started: int, wanted: int, becomes: int, *, leads: bool
) -> None:
    ask = "print(os.nice(0), *AUTOGROUP.read_text().split()[-1:])"  # the first session of a machine has no such line
    code = f"import os; from notifications.workers import AUTOGROUP, give_way; give_way({wanted}); {ask}"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = ["nice", "-n", str(started), sys.executable, "-c", f"import django; django.setup(); {code}"]
    before = AUTOGROUP.read_text()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, start_new_session=leads)
    process, *session = map(int, done.stdout.split())
    assert process == becomes
    if leads:
        assert session == [becomes if becomes == wanted else 0]
    assert AUTOGROUP.read_text() == before, "somebody else's session was made nice"
