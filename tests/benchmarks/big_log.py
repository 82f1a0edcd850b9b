"""With ten million deliveries in the log: what one recipient costs against an empty one, and each screen's time."""

from __future__ import annotations

from statistics import median

from tests.benchmarks import console, scale, shared
from tests.benchmarks.judging import spread
from tests.benchmarks.sizes import cost_us
from tests.ground.figures import Figure, Run

ROWS_SQL = "SELECT count(*) FROM carillon_delivery"
SETTLED_SQL = ("VACUUM (ANALYZE)", "CHECKPOINT")
SIZE_SQL = "SELECT pg_size_pretty(pg_database_size(current_database()))"


def run(run: Run) -> list[Figure]:
    """Send before and after the log is filled; then look at every screen while one more goes out."""
    rows, size = scale.size(run, 10_000_000, 200_000), scale.size(run, 50_000, 8_000)
    turns = scale.rounds(run)
    with shared.own_bench(run, people=size, sizes=[500]) as bench:
        bench.begin()
        bench.send(500)
        before = [cost_us(bench.send(size)) for _ in range(turns)]
        users = max(1_000, rows // 100)
        bench.stack.manage("carillon", "seed-load", "--deliveries", str(rows), "--users", str(users), "--yes")
        # A log grows over weeks: what a sudden one leaves to vacuum and to write back is no part of its cost.
        for statement in SETTLED_SQL:
            bench.database.do(statement)
        bench.send(500)
        after = [cost_us(bench.send(size)) for _ in range(turns)]
        found = int(bench.database.value(ROWS_SQL))
        database = bench.database.value(SIZE_SQL)
        screens = console.figure(bench, size, scale.rounds(run, 25, 5))
    ratio = median(after) / median(before)
    detail = {
        "recipients": size,
        "deliveries_seeded": rows,
        "deliveries_in_all": found,
        "database": database,
        "us_per_message_before": spread(before),
        "us_per_message_after": spread(after),
        "how": "wall time from the request until every row is recorded, for each message taken",
        "sql": [ROWS_SQL, *SETTLED_SQL],
    }
    passed = ratio <= 1.3 and found >= rows
    return [Figure("cost_on_10m_rows", round(ratio, 3), "x", "<= 1.3 x an empty log's", passed, detail), screens]
