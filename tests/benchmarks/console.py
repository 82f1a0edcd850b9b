"""How long the server takes for each screen of the console, on the log that is there, while a paced broadcast runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import median

from tests.benchmarks.deployment import Bench, body_of
from tests.benchmarks.judging import percentile
from tests.ground.figures import Figure

PER_SECOND = 300
MOST_MEDIAN_MS, MOST_P95_MS, MOST_STATEMENTS = 300.0, 600.0, 12
RUNNING_SQL = "SELECT status FROM carillon_broadcast WHERE id = %s"


def figure(bench: Bench, size: int, turns: int) -> Figure:
    """Ask for every screen so many times while a broadcast to `size` recipients goes out, `PER_SECOND` a second."""
    made = bench.post("broadcasts/", {**body_of(size, "push"), "rate": PER_SECOND}, f"bench-console-{size}")
    found = json.loads(bench.inside("console", str(turns)).splitlines()[-1])
    status = bench.database.value(RUNNING_SQL, made["id"])
    bench.post(f"broadcasts/{made['id']}/cancel/", {}, f"bench-console-cancel-{size}")
    return judged(found, str(status))


def judged(found: Mapping[str, Mapping[str, object]], status: str) -> Figure:
    """Return the slowest screen's 95th percentile, and whether each screen was within all limits."""
    screens = {}
    for name, one in found.items():
        took = [float(ms) for ms in one["ms"]]  # type: ignore[attr-defined]  # a list, by our own command
        screens[name] = {
            "median_ms": round(median(took), 1),
            "p95_ms": round(percentile(took, 0.95), 1),
            "statements": int(str(one["statements"])),
            "status": int(str(one["status"])),
        }
    worst = max(screens, key=lambda name: screens[name]["p95_ms"])
    slow = [
        name
        for name, one in screens.items()
        if one["median_ms"] > MOST_MEDIAN_MS
        or one["p95_ms"] > MOST_P95_MS
        or one["statements"] > MOST_STATEMENTS
        or one["status"] != 200
    ]
    return Figure(
        "console_p95_ms",
        screens[worst]["p95_ms"],
        "ms",
        "every screen: <= 300 ms at the median, <= 600 ms at p95, <= 12 statements, while 300 /s go out",
        not slow and status in ("planning", "sending"),
        {
            "slowest": worst,
            "beyond_a_limit": slow,
            "broadcast_meanwhile": status,
            "screens": screens,
            "how": "Django's handler in a process of its own, session and middleware included, the first request too",
            "sql": [RUNNING_SQL],
        },
    )
