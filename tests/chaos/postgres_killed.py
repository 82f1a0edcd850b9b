"""PostgreSQL is killed, all of its processes, while messages are in flight; workers keep their results meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field

import psutil
import psycopg2

from tests.chaos.acknowledged import Book
from tests.chaos.checker import judge_deployment
from tests.chaos.client import Client
from tests.chaos.deployment import Deployment, wait_until
from tests.chaos.messages import message
from tests.ground.figures import Figure, Run

WANT = "no 202 without a durable row; lost 0; unflagged duplicates 0; results kept and recorded; 20 kills in mid-send"
MOST_TRIES = 2  # for each kill that is to meet something in flight
FLYING_SQL = """
    SELECT d.id::text FROM carillon_delivery d JOIN carillon_claim c ON c.id = d.claim_id
    WHERE d.state = 'sending' AND d.position <= c.started_upto
"""
# A worker whose claim's lease runs out meanwhile is doubted: a server that takes long to come back costs a few.
KEPT_SHARE = 0.9
# What was in flight at a kill and ended without ever having been in doubt: its result was kept and then recorded.
DOUBTED_SQL = "SELECT DISTINCT delivery_id::text FROM carillon_deliveryevent WHERE state = 'uncertain'"


@dataclass
class Killed:
    """What the kills met."""

    flying: set[str] = field(default_factory=set)
    kills: int = 0
    in_mid_send: int = 0
    downtimes: list[float] = field(default_factory=list)


def run(run: Run) -> list[Figure]:
    """Kill PostgreSQL again and again under a steady load."""
    kills, per_second, pause = run.size(20, 3), run.size(40, 25), run.size(4, 1)
    messages = per_second * kills * 3 * (pause + 3)  # more than are needed; `enough` says if they were
    with Deployment(run, latency=0.15) as deployment:
        key = deployment.begin(users=messages, workers=2)
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(deployment.stack.url, key, book)
        client.start((message(n) for n in range(messages)), per_second)
        for provider in ("fcm", "twilio", "postmark"):
            deployment.stack.sandbox.client.fault(provider, "slow", delay=0.3)
        wait_until(lambda: deployment.accepted_count() > 20, "the first messages")
        killed = Killed()
        while killed.in_mid_send < kills and killed.kills < MOST_TRIES * kills:
            time.sleep(pause)
            kill_in_mid_send(deployment, killed, run.draw)
        under_load = client.enough()
        acknowledged = client.join(120)
        took = deployment.wait_quiet(run.size(120, 60))
        verdict = judge_deployment([book.path], deployment.file, deployment.database)
        doubted = {key for (key,) in deployment.database.rows(DOUBTED_SQL)}
        restarts = deployment.supervisor.restarts
        book.close()
    kept = len(killed.flying - doubted)
    wrong = objections(killed, kept, kills, under_load=under_load)
    detail = {
        "objections": wrong,
        "kills": killed.kills,
        "kills_with_sends_in_flight": killed.in_mid_send,
        "in_flight_at_a_kill": len(killed.flying),
        "of_these_results_kept_and_recorded": kept,
        "downtime_s": killed.downtimes,
        "worker_or_web_restarts": restarts,
        "http_statuses": dict(client.statuses),
        "refused": client.refused[:3],
        "quiet_after_s": took,
        "waits": deployment.waits or "the defaults",
        "flying_sql": " ".join(FLYING_SQL.split()),
        "doubted_sql": DOUBTED_SQL,
        **verdict.detail(),
    }
    passed = verdict.sound and acknowledged and not client.refused and not wrong
    value = len(verdict.lost) + len(verdict.stuck) + len(verdict.unflagged) + len(verdict.missing_rows)
    return [Figure("postgres_killed", value, "messages", WANT, passed, detail)]


def objections(killed: Killed, kept: int, wanted: int, *, under_load: bool) -> list[str]:
    """Object to too few kills in mid-send, to results that were not kept, and to a load that ended before the kills."""
    found = []
    if killed.in_mid_send < wanted:
        found.append(f"{killed.in_mid_send} kills in mid-send, where {wanted} were wanted")
    if kept < KEPT_SHARE * len(killed.flying):
        found.append(f"of {len(killed.flying)} results in flight {kept} were kept")
    if not under_load:
        found.append("there was no load any more at the last kill")
    return found


def kill_in_mid_send(deployment: Deployment, killed: Killed, draw: random.Random) -> None:
    """Wait until something is in flight, kill every process of the server, and start it again after a moment."""
    server = deployment.ground.services.postgres
    assert server is not None
    flying: set[str] = set()
    deadline = time.monotonic() + 10
    while not flying and time.monotonic() < deadline:
        with contextlib.suppress(psycopg2.Error):
            flying = {key for (key,) in deployment.database.rows(FLYING_SQL)}
    began = time.monotonic()
    for pid in processes(str(server.data)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    killed.kills += 1
    killed.in_mid_send += bool(flying)
    killed.flying |= flying
    time.sleep(draw.uniform(0.2, 1.0))
    server.start()
    killed.downtimes.append(round(time.monotonic() - began, 2))


def processes(data: str) -> list[int]:
    """Return the pids of a PostgreSQL server, the postmaster first."""
    found = [
        (process.pid, process.ppid())
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == data
    ]
    pids = {pid for pid, _ in found}
    return [pid for pid, parent in sorted(found, key=lambda item: item[1] in pids)]
