"""Valkey is killed and comes back empty while twenty thousand messages wait."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.checker import judge_deployment
from tests.chaos.deployment import Deployment, moment, wait_until
from tests.ground.figures import Figure, Run

WANT = "lost 0, duplicates 0, draining again within 10 s each time; 20,000 waiting"
LIMIT = 10.0
WAITING_SQL = "SELECT count(*) FROM carillon_delivery WHERE state IN ('pending', 'sending')"


def run(run: Run) -> list[Figure]:
    """Empty it before the first send, in mid-drain, and once more."""
    # So many that enough of them still wait when Valkey is emptied for the last time.
    users, waiting = run.size(30_000, 700), run.size(20_000, 500)
    with Deployment(run, latency=0.1) as deployment:
        deployment.begin(users=users, workers=0, web=False)
        book = run.folder / "acknowledged.jsonl"
        # Planned before there are workers, so that the whole of it waits.
        deployment.host("plan", deployment.host("launch", str(book), str(users)))
        for name in ("worker-1", "worker-2"):
            deployment.stack.add_worker(name)
        wait_until(lambda: deployment.accepted_count() > 0, "the first message")
        rounds: list[dict[str, Any]] = []
        for share in (0.0, 0.05, 0.1):
            wait_until(lambda least=share * users: deployment.accepted_count() >= least, "the next round", 300)  # type: ignore[misc]
            rounds.append(empty(deployment))
        deployment.wait_quiet(run.size(240, 90))
        verdict = judge_deployment([book], deployment.file, deployment.database)
        taken = [moment(row.at) for row in deployment.accepted()]
    for item in rounds:
        # Counted from when it is back: what was sent while it was away needed no wake-up.
        later = [at for at in taken if at >= item["back"]]
        item["first_accept_after_s"] = round(min(later) - item["back"], 3) if later else None
        item["accepted_within_10_s"] = sum(at < item["back"] + LIMIT for at in later)
        item["longest_pause_s"] = longest_pause(taken, item["killed"], item["killed"] + 2 * LIMIT)
    wrong = objections(rounds, waiting)
    detail = {
        "waiting_at_first": users,
        "rounds": [{name: value for name, value in item.items() if name not in ("killed", "back")} for item in rounds],
        "objections": wrong,
        "waiting_sql": WAITING_SQL,
        "waits": deployment.waits or "the defaults",
        **verdict.detail(),
    }
    passed = verdict.sound and verdict.copies == 0 and not wrong
    return [Figure("valkey_emptied", len(verdict.lost) + verdict.copies, "lost or doubled", WANT, passed, detail)]


def objections(rounds: Sequence[Mapping[str, float | None]], waiting: float) -> list[str]:
    """Object to an emptying at which less waited than was meant to, and to one that stopped the sending for long."""
    found = []
    for number, item in enumerate(rounds, start=1):
        first, waited = item["first_accept_after_s"], item["waiting"]
        if waited is None or waited < waiting:
            found.append(f"emptying {number}: {waited} were waiting, where {waiting:.0f} were wanted")
        if first is None or first > LIMIT:
            found.append(f"emptying {number}: the next accept came after {first} s")
    return found


def empty(deployment: Deployment) -> dict[str, float]:
    """Kill Valkey (it keeps nothing on disk), start it again, and return what was waiting and when."""
    server = deployment.ground.services.valkey
    assert server is not None
    waiting = int(deployment.database.value(WAITING_SQL))
    killed = time.time()
    os.kill(server.pid or 0, signal.SIGKILL)
    time.sleep(1)
    server.start()
    return {"waiting": waiting, "killed": killed, "back": time.time()}


def longest_pause(moments: list[float], begin: float, end: float) -> float:
    """Return the longest time without an accepted message between two moments, as far as there were messages."""
    inside = [begin, *sorted(at for at in moments if begin <= at <= end)]
    return round(max((later - earlier for earlier, later in itertools.pairwise(inside)), default=0.0), 3)
