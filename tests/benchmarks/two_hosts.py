"""Two groups of workers as on two hosts: one is stopped in mid-broadcast, comes back and is killed; the other goes on."""

from __future__ import annotations

import contextlib
import time
from collections import Counter

import psycopg2

from notifications import conf
from tests.benchmarks import expected, scale
from tests.benchmarks.deployment import UNRECORDED_SQL, Bench, body_of, wait_for_workers
from tests.benchmarks.judging import compare
from tests.ground.figures import FellShort, Figure, Run

GROUP = 2
#: A lease, the sweep that finds it, and the wait for a receipt before what was in flight is sent again.
TAKEN_OVER_WITHIN = conf.LEASE_SECONDS + 2 * conf.SWEEP_SECONDS + conf.UNCERTAIN_WAIT_SECONDS + 2 * conf.SWEEP_SECONDS
HELD_SQL = "SELECT count(*) FROM carillon_claim WHERE id = ANY (%s)"
CLAIMS_SQL = "SELECT id FROM carillon_claim"
DUPLICATES_SQL = "SELECT address FROM carillon_delivery WHERE notification_id = %s AND possible_duplicate"
WANT = "0 lost, 0 unflagged duplicates, and what the killed held is out of its claims within a lease and a sweep"


def run(run: Run) -> list[Figure]:
    """Broadcast, stop one group at a quarter, bring it back, kill it at a half."""
    size = scale.size(run, 100_000, 15_000)
    with Bench(run, people=size, sizes=[500]) as bench:
        bench.begin(workers=2 * GROUP)
        bench.send(500)
        due = expected.due_how_many(bench.database, size)
        place, before = bench.sink.log.end(), bench.sink.log.count("fcm")
        made = bench.post("broadcasts/", body_of(size, "push"), "two-hosts")
        notification = bench._notification(made["id"])
        await_count(bench, before + due // 4)
        statuses = [bench.stack.stop(name) for name in bench.stack.worker_names[:GROUP]]
        bench.stack.start_workers(GROUP)
        wait_for_workers(bench.ground.services.redis_url, 2 * GROUP)
        await_count(bench, before + due // 2)
        claims = [row for (row,) in bench.database.rows(CLAIMS_SQL)]
        for name in bench.stack.worker_names[-GROUP:]:
            bench.stack.kill(name)
        killed = time.monotonic()
        at_kill = bench.sink.log.count("fcm") - before
        released = await_zero(bench, HELD_SQL, claims, 4 * TAKEN_OVER_WITHIN) - killed
        await_zero(bench, UNRECORDED_SQL, notification, 600)
        recorded = time.monotonic() - killed
        bench.sink.settle()
        taken = Counter(one.to for one in bench.sink.log.since(place, "fcm"))
        flagged = {address for (address,) in bench.database.rows(DUPLICATES_SQL, notification)}
        found = compare(expected.due(bench.database, size), taken.elements())
        states = bench.states(notification)
    unflagged = [to for to, count in taken.items() if count > 1 and to not in flagged]
    wrong = found.missing + found.unasked + len(unflagged)
    lease = conf.LEASE_SECONDS + 2 * conf.SWEEP_SECONDS
    detail = {
        "due": due,
        "taken": found.came,
        "missing": found.missing,
        "unasked": found.unasked,
        "repeated": found.repeated,
        "repeated_and_unflagged": len(unflagged),
        "statuses_of_the_stopped": statuses,
        "taken_when_killed": at_kill,
        "claims_over_after_s": round(released, 1),
        "all_recorded_after_s": round(recorded, 1),
        "lease_and_sweeps_s": lease,
        "states": states,
        "sql": [CLAIMS_SQL, HELD_SQL, DUPLICATES_SQL, UNRECORDED_SQL],
    }
    passed = not wrong and set(statuses) == {0} and at_kill < due and released <= lease
    return [Figure("two_hosts", wrong, "messages", WANT, passed, detail)]


def await_count(bench: Bench, count: int, seconds: float = 300.0) -> None:
    """Wait until the sink has taken so many pushes.

    Raises:
        FellShort: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while bench.sink.log.count("fcm") < count:
        if time.monotonic() > deadline:
            raise FellShort(f"waited {seconds:.0f} s in vain for the {count}th push")
        time.sleep(0.02)


def await_zero(bench: Bench, sql: str, value: object, seconds: float) -> float:
    """Wait until a count is zero and return when.

    Raises:
        FellShort: it was not in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg2.Error):
            if not int(bench.database.value(sql, value)):
                return time.monotonic()
        time.sleep(0.2)
    raise FellShort(f"waited {seconds:.0f} s in vain for none of: {sql}")
