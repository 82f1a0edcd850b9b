"""Every process is stopped (SIGTERM) and started again under load, one after the other, as a deploy does it."""

from __future__ import annotations

import contextlib
import subprocess
import time

from tests.chaos.acknowledged import Book
from tests.chaos.checker import judge_deployment
from tests.chaos.client import Client
from tests.chaos.deployment import Deployment, wait_until
from tests.chaos.messages import message
from tests.ground.figures import Figure, Run

WANT = "lost 0, unflagged duplicates 0; each worker stopped within 15 s"
STOP_SECONDS = 15.0
EVENTS_SQL = "SELECT detail, reason, count(*) FROM carillon_deliveryevent WHERE state = 'uncertain' GROUP BY 1, 2"


def run(run: Run) -> list[Figure]:
    """Roll."""
    rounds, per_second, workers = run.size(5, 1), run.size(60, 15), run.size(3, 2)
    messages = per_second * run.size(300, 60)  # more than are needed: the load lasts as long as the rolling does
    with Deployment(run, latency=0.15) as deployment:
        key = deployment.begin(users=messages, workers=workers)
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(deployment.stack.url, key, book)
        client.start((message(n) for n in range(messages)), per_second)
        wait_until(lambda: deployment.accepted_count() > 20, "the first messages")
        stops = [stop for turn in range(rounds) for stop in roll(deployment, services=turn == rounds - 1)]
        under_load = client.enough()
        acknowledged = client.join(120)
        took = deployment.wait_quiet(run.size(120, 45))
        verdict = judge_deployment([book.path], deployment.file, deployment.database)
        events = deployment.database.rows(EVENTS_SQL)
        book.close()
    slowest = max(seconds for name, seconds, _ in stops if name.startswith("worker"))
    detail = {
        "rounds": rounds,
        "workers": workers,
        "per_second": per_second,
        "stops": [
            {"process": name, "seconds": round(seconds, 2), "exit_status": status} for name, seconds, status in stops
        ],
        "slowest_worker_s": round(slowest, 2),
        "still_under_load_at_the_last_stop": under_load,
        "http_statuses": dict(client.statuses),
        "uncertain_events": events,
        "quiet_after_s": took,
        "waits": deployment.waits or "the defaults",
        **verdict.detail(),
    }
    passed = verdict.sound and acknowledged and under_load and slowest <= STOP_SECONDS
    wrong = len(verdict.lost) + len(verdict.stuck) + len(verdict.unflagged)
    return [Figure("rolling_restart", wrong, "messages", WANT, passed, detail)]


def roll(deployment: Deployment, *, services: bool) -> list[tuple[str, float, int | None]]:
    """Restart every process; return how long each took to stop, and its exit status."""
    stops: list[tuple[str, float, int | None]] = []
    for name in sorted(deployment.stack.recipes):
        stops.append(restart(deployment, name))
        time.sleep(0.5)
    if services:
        for name in ("valkey", "postgres"):
            server = getattr(deployment.ground.services, name)
            began = time.monotonic()
            server.stop()
            stops.append((name, time.monotonic() - began, None))
            server.start()
            time.sleep(1)
    return stops


def restart(deployment: Deployment, name: str) -> tuple[str, float, int | None]:
    """Stop a process, politely, and start it again."""
    stack, supervisor = deployment.stack, deployment.supervisor
    supervisor.excused.add(name)
    process = stack.processes[name]
    began = time.monotonic()
    process.terminate()
    status = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(4 * STOP_SECONDS)
    took = time.monotonic() - began
    with supervisor.lock:
        stack.start(name)
        supervisor.excused.discard(name)
    if name == "web":
        stack.wait_until_up()
    else:
        time.sleep(1.5)  # it loads
    return name, took, status
