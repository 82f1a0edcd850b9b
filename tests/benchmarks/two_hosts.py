"""Two groups of workers as on two hosts: one is stopped in mid-broadcast, and later killed in another."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from notifications import conf
from tests.benchmarks import expected, scale, shared
from tests.benchmarks.deployment import UNRECORDED_SQL, Bench, body_of
from tests.benchmarks.judging import compare
from tests.ground.figures import FellShort, Figure, Run

GROUP = 2
#: With `QUICK=1` leases and waits are shorter, as chaos makes them.
QUICK_WAITS = {"LEASE_SECONDS": 6, "UNCERTAIN_WAIT_SECONDS": 2}
HELD_SQL = "SELECT count(*) FROM carillon_claim WHERE id = ANY (%s)"
CLAIMS_SQL = "SELECT id FROM carillon_claim"
UNPLANNED_SQL = "SELECT count(*) FROM carillon_broadcast WHERE notification_id = %s AND planned_at IS NULL"
DUPLICATES_SQL = "SELECT address FROM carillon_delivery WHERE notification_id = %s AND possible_duplicate"
WANT = "0 lost, 0 unflagged duplicates; what the killed held is out of its claims within a lease and a sweep"


def run(run: Run) -> list[Figure]:
    """Stop one of two groups in a broadcast, have it back, and kill it in another."""
    size = scale.size(run, 100_000, 10_000)
    waits = QUICK_WAITS if run.quick else {}
    # A lease, and the sweep that finds that it is over.
    within = waits.get("LEASE_SECONDS", conf.LEASE_SECONDS) + 2 * conf.SWEEP_SECONDS
    env = {f"BENCH_{name}": str(value) for name, value in waits.items()}
    with shared.own_bench(run, people=size, sizes=[500], env=env) as bench:
        bench.begin(workers=2 * GROUP)
        bench.send(500)
        stopped = carry_on(bench, size, bench.stack.stop)
        bench.begin_workers(GROUP)
        killed = carry_on(bench, size, bench.stack.kill)
    wrong = sum(int(str(part["wrong"])) for part in (stopped, killed))
    in_time = all(float(str(part["claims_over_after_s"])) <= within for part in (stopped, killed))
    passed = not wrong and in_time and all(part["was_under_way"] for part in (stopped, killed))
    detail = {
        "stopped": stopped,
        "killed": killed,
        "waits": waits or "the defaults",
        "lease_and_sweeps_s": within,
        "recipients": size,
    }
    return [Figure("two_hosts", wrong, "messages", WANT, passed, detail)]


def carry_on(bench: Bench, size: int, end: Callable[[str], object]) -> dict[str, object]:
    """Broadcast, end one group at a third of it, and say what came of it all."""
    due = expected.due_how_many(bench.database, size)
    place, before = bench.sink.log.end(), bench.sink.log.count("fcm")
    made = bench.post("broadcasts/", body_of(size, "push"), f"two-hosts-{before}")
    notification = bench.notification_of(str(made["id"]))
    await_count(bench, before + due // 3)
    group = bench.stack.worker_names[:GROUP]
    del bench.stack.worker_names[:GROUP]
    claims = [row for (row,) in bench.database.rows(CLAIMS_SQL)]
    told, ended = bench.sink.log.count("fcm") - before, time.monotonic()
    with ThreadPoolExecutor(GROUP) as together:  # a host goes down as a whole
        statuses = list(together.map(end, group))
    at_end = bench.sink.log.count("fcm") - before
    released = await_zero(bench, HELD_SQL, claims, 150) - ended
    # While nobody plans, nothing may be due for a moment though it is not over.
    planned = await_zero(bench, UNPLANNED_SQL, notification, 600) - ended
    recorded = await_zero(bench, UNRECORDED_SQL, notification, 600) - ended
    bench.sink.settle()
    taken = Counter(one.to for one in bench.sink.log.since(place, "fcm"))
    flagged = {address for (address,) in bench.database.rows(DUPLICATES_SQL, notification)}
    found = compare(expected.due(bench.database, size), taken.elements())
    unflagged = [to for to, count in taken.items() if count > 1 and to not in flagged]
    return {
        "wrong": found.missing + found.unasked + len(unflagged),
        "due": due,
        "taken": found.came,
        "missing": found.missing,
        "unasked": found.unasked,
        "repeated": found.repeated,
        "repeated_and_unflagged": len(unflagged),
        "exit_statuses": statuses,
        "taken_when_told_to_end": told,
        "taken_when_it_had_ended": at_end,
        "was_under_way": told < due,
        "claims_over_after_s": round(released, 1),
        "all_planned_after_s": round(planned, 1),
        "all_recorded_after_s": round(recorded, 1),
        "states": bench.states(notification),
        "sql": [CLAIMS_SQL, HELD_SQL, DUPLICATES_SQL, UNPLANNED_SQL, UNRECORDED_SQL],
    }


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
