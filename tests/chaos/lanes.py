"""`QUICK=1` runs scenarios side by side: most of them wait more than they work. Each lane is a process of its own.

A lane has its own PostgreSQL and Valkey, since scenarios kill them, and its own folder. What is measured in seconds is
measured on a busy machine then, which makes it no better than it is. In the whole run each has the machine to itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: The variable that tells a process which lane it is.
LANE = "CHAOS_LANE"
#: How fast requests are answered is measured here: no other lane begins before it has ended.
ALONE = "valkey_down"
#: Scenarios in the order in which a lane runs them.
QUICK_LANES = (
    (ALONE, "kill_loop", "broadcast_kills", "every_point_crash", "digest_kills", "rolling_restart"),
    (
        "outage_recovery",
        "textbook_sender_caught",
        "postgres_killed",
        "valkey_emptied",
        "recovery_p99_s",
        "breaker",
        "rq_faults",
        "mass_deactivation",
    ),
)


def lanes_of(wanted: Sequence[str]) -> list[list[str]]:
    """Share scenarios out among the lanes; one that no lane names is run by the first."""
    named = {name for lane in QUICK_LANES for name in lane}
    lanes = [[name for name in lane if name in wanted] for lane in QUICK_LANES]
    lanes[0] += [name for name in wanted if name not in named]
    return [lane for lane in lanes if lane]


def run_lanes(lanes: Sequence[Sequence[str]], folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Run each lane in a process of its own; return the lines of all, the machine's once, and the exit status."""
    places = [folder / f"lane-{number}" for number in range(1, len(lanes) + 1)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for lane, place in zip(lanes, places, strict=True):
            env = {**os.environ, "ONLY": ",".join(lane), LANE: str(place)}
            running.append(subprocess.Popen([sys.executable, "-m", "tests.chaos"], env=env))
            while ALONE in lane and running[-1].poll() is None and ALONE not in finished(place):
                time.sleep(0.2)
        statuses = [process.wait() for process in running]
    except SystemExit:  # told to stop; an interrupt from the keyboard has told them already
        for process in running:
            process.terminate()
        raise
    finally:
        for process in running:
            process.wait()
    found = [lines for place in places if (lines := written(place))]
    machine = [lines[0] for lines in found][:1]
    return machine + [line for lines in found for line in lines[1:]], int(any(statuses))


def written(place: Path) -> list[dict[str, Any]]:
    """Return the lines that a lane has written so far; a line is there once its scenario has ended."""
    file = place / "chaos.json"
    lines: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    return lines


def finished(place: Path) -> set[str]:
    """Return the scenarios that a lane has ended."""
    return {line["name"] for line in written(place)}
