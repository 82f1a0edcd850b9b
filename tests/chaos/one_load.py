"""One trouble after the other under one load: the small seed of six scenarios, for the price of one deployment.

A polite restart, a kill of all of PostgreSQL in mid-send, kills of workers and the sweeper's leader during a broadcast,
a Valkey that comes back empty and one that hangs. Each is brought about as its own scenario does it and judged by the
same judge; how fast it is over is measured there, on a machine that has nothing else to do.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.chaos.acknowledged import Book
from tests.chaos.checker import judge_deployment
from tests.chaos.client import Client
from tests.chaos.deployment import Deployment, moment, wait_until
from tests.chaos.killer import Killer
from tests.chaos.messages import message
from tests.chaos.postgres_killed import Killed, kill_in_mid_send
from tests.chaos.recovery import ENDS_SQL, recoveries
from tests.chaos.rolling_restart import restart
from tests.chaos.valkey_down import lose, signal_valkey
from tests.chaos.valkey_emptied import empty
from tests.ground.figures import Figure, Run

WANT = "lost 0, unflagged duplicates 0, no second copy without a kill behind it; sending again after each trouble"
MOST_SECONDS = 120  # the load ends with the troubles
FOLLOWERS, PAGE = 120, 5
BROADCAST_SQL = "SELECT members, planned FROM carillon_broadcast"
KINDS = {"sender": 1, "worker": 1, "leader": 1}


def one_load(run: Run, *, per_second: int) -> Figure:
    """Let everything go wrong once while messages come in, and judge what came of them."""
    messages = per_second * MOST_SECONDS
    broadcast_book = run.folder / "broadcast.jsonl"
    with Deployment(run, latency=0.1, env={"CHAOS_PAGE_SIZE": str(PAGE)}) as deployment:
        key = deployment.begin(users=FOLLOWERS, workers=2)
        for provider in ("fcm", "twilio", "postmark"):
            deployment.stack.sandbox.client.fault(provider, "slow", delay=0.3)
        book = Book(run.folder / "acknowledged.jsonl")
        client = Client(deployment.stack.url, key, book)
        # The devices are the broadcast's alone.
        client.start((message(n, channel=("sms", "email")[n % 2]) for n in range(messages)), per_second)
        wait_until(lambda: deployment.accepted_count() > per_second, "the first messages")
        killer = Killer(deployment, run.draw, kills=len(KINDS), every=0.5, kinds=KINDS)
        killed = Killed()
        over = trouble(deployment, killer, killed, broadcast_book)
        under_load = client.enough()
        acknowledged = client.join(120)
        took = deployment.wait_quiet(60)
        taken = deployment.accepted()
        verdict = judge_deployment([book.path, broadcast_book], deployment.file, deployment.database)
        wrong = killer.objections()
        members, planned = deployment.database.rows(BROADCAST_SQL)[0]
        ends = {str(row): float(at) for row, at in deployment.database.rows(ENDS_SQL)}
        book.close()
    wrong += [] if members == planned == FOLLOWERS else [f"{members} members, {planned} deliveries planned"]
    last = max((moment(row.at) for row in taken), default=0.0)
    wrong += [f"nothing was sent after {name}" for name, at in over.items() if at >= last]
    wrong += [] if killed.in_mid_send else ["PostgreSQL was not killed in mid-send"]
    wrong += [] if killer.bound else ["no worker was killed in mid-send"]
    wrong += ["what a killed worker held never moved on"] * (None in recoveries(killer.kills, taken, ends))
    wrong += [] if under_load else ["there was no load any more at the last trouble"]
    detail = {
        "objections": wrong,
        "refused": client.refused[:3],
        "http_statuses": dict(client.statuses),
        "quiet_after_s": took,
        **killer.summary(),
        **verdict.detail(),
    }
    passed = not wrong and verdict.sound and acknowledged and not client.refused
    return Figure("one_load", len(verdict.lost) + len(verdict.unflagged), "messages", WANT, passed, detail)


def trouble(deployment: Deployment, killer: Killer, killed: Killed, book: Path) -> dict[str, float]:
    """Bring about one trouble after the other; return when each was over."""
    over = {}
    for name in ("worker-1", "web"):
        _, _, status = restart(deployment, name)
        over[f"the restart of {name} (status {status})"] = time.time()
    kill_in_mid_send(deployment, killed, deployment.run.draw)
    over["the kill of PostgreSQL"] = time.time()
    # Until somebody sends again there is no sender to kill.
    count = deployment.accepted_count()
    wait_until(lambda: deployment.accepted_count() > count, "a message after the kill of PostgreSQL")
    deployment.host("launch", str(book), str(FOLLOWERS))
    killer.start()
    killer.join()
    over["the kills of workers"] = time.time()
    over["the emptying of Valkey"] = empty(deployment)["back"]
    hung = lose(deployment, 2, lambda d: signal_valkey(d, signal.SIGSTOP), lambda d: signal_valkey(d, signal.SIGCONT))
    over["the hanging of Valkey"] = hung[1]
    return over
