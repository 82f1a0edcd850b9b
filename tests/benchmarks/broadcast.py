"""One broadcast to a million: how fast, how exact, and what workers and Valkey hold meanwhile."""

from __future__ import annotations

from tests.benchmarks import expected, scale, shared, sizes
from tests.benchmarks.dataset import due_count
from tests.benchmarks.deployment import STATES_SQL, UNRECORDED_SQL, Sent
from tests.benchmarks.usage import Usage
from tests.ground.figures import Figure, Run

RATE_SQL = (
    "SELECT count(*), count(*) / extract(epoch FROM max(sent_at) - min(sent_at)) FROM carillon_delivery "
    "WHERE notification_id = %s AND state = 'sent'"
)
LEDGER_SQL = "SELECT status, members, planned FROM carillon_broadcast WHERE id = %s"


def run(run: Run) -> list[Figure]:
    """Send it once, with small ones right before and after to compare it with; the first warms workers up."""
    size, small = scale.size(run, 1_000_000, 100_000), scale.size(run, 10_000, 10_000)
    turns = scale.rounds(run, quick=1)
    with shared.bench(run, people=size, sizes=[500, small]) as bench:
        bench.send(500)
        few = [bench.send(small) for _ in range(turns)]
        sent = bench.send(size, exact=True)
        few += [bench.send(small) for _ in range(turns)]
        rows, by_rows = bench.database.rows(RATE_SQL, sent.notification)[0]
        ledger = list(bench.database.rows(LEDGER_SQL, sent.id)[0])
        states = bench.states(sent.notification)
        idle = bench.database.value("SELECT pg_size_pretty(pg_database_size(current_database()))")
        kind = bench.sink.kind
    detail = {
        "recipients": size,
        "sink": kind,
        **sent.detail(),
        "states": states,
        "per_s_by_sent_at": round(float(by_rows or 0), 1),
        "database_after": idle,
        "sql": [RATE_SQL, STATES_SQL, UNRECORDED_SQL],
    }
    return [
        Figure(
            "broadcast_push_per_s",
            round(sent.per_s, 1),
            "/s",
            ">= 2500, from the request until every row is recorded",
            sent.per_s >= 2_500,
            detail,
        ),
        exact_figure(sent, int(rows), ledger, due_count(run.seed, size)),
        *held(sent),
        sizes.figure(few, sent, (small, size)),
    ]


def exact_figure(sent: Sent, rows: int, ledger: list[object], by_arithmetic: int) -> Figure:
    """Return whether everybody got what was due, by the sink's log, the rows and two computations of what was due."""
    found = sent.exactness
    if found is None:
        raise ValueError("this broadcast was not compared")
    passed = found.exact and rows == found.due == by_arithmetic
    detail = {
        "due_by_sql_over_the_dataset": found.due,
        "due_by_arithmetic_from_the_seed": by_arithmetic,
        "accepted_by_sink": found.came,
        "rows_sent": rows,
        "missing": found.missing,
        "unasked": found.unasked,
        "repeated": found.repeated,
        "examples": found.examples,
        "ledger_status_members_planned": ledger,
        "sql": [expected.PUSH_SQL, RATE_SQL, LEDGER_SQL],
    }
    want = "0 recipients with anything else than computed: each compared, sink's log against the dataset"
    return Figure("broadcast_exact", found.wrong, "recipients", want, passed, detail)


def held(sent: Sent) -> list[Figure]:
    """Return what workers and Valkey held."""
    usage: Usage | None = sent.usage
    if usage is None:
        raise ValueError("this broadcast was not sampled")
    flat = usage.growth_mb <= 10
    samples = {str(pid): [round(mb) for mb in thinned(values)] for pid, values in usage.rss.items()}
    memory = {"growth_mb_from_a_quarter_on": usage.growth_mb, "samples_mb": samples, "samples_every_s": 1}
    valkey = {"before_mb": round(usage.valkey_before, 2), "samples_mb": [round(mb, 2) for mb in thinned(usage.valkey)]}
    return [
        Figure(
            "worker_rss_mb",
            usage.worker_mb,
            "MB",
            "<= 200 for each worker, and flat (<= 10 MB more from a quarter of the run on)",
            usage.worker_mb <= 200 and flat,
            memory,
        ),
        Figure("valkey_growth_mb", usage.valkey_mb, "MB", "<= 20 above idle", usage.valkey_mb <= 20, valkey),
    ]


def thinned(values: list[float], most: int = 40) -> list[float]:
    """Return at most so many of the samples, evenly."""
    step = max(1, len(values) // most)
    return values[::step]
