"""Planning by our rules, page by page, against a bare `INSERT .. SELECT` of the same rows into the same table."""

from __future__ import annotations

import json
import time

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Bench
from tests.benchmarks.judging import median_ratio, spread
from tests.ground.figures import Figure, Run

WARM_UP = 500
#: The same rows with other ids of the same partition: an id begins with its time.
STAGE_SQL = "CREATE TABLE bench_rows AS SELECT * FROM carillon_delivery WHERE notification_id = %s"
RENAME_SQL = """
    UPDATE bench_rows SET notification_id = gen_random_uuid(), id = (
        substr(id::text, 1, 14) || '8' || substr(md5(id::text || %s), 1, 3) || '-8' || substr(md5(id::text || %s), 4, 3)
        || '-' || substr(md5(id::text || %s), 8, 12)
    )::uuid
"""
INSERT_SQL = "INSERT INTO carillon_delivery SELECT * FROM bench_rows"


def run(run: Run) -> list[Figure]:
    """Plan and insert in turns; nobody sends meanwhile."""
    size = scale.size(run, 200_000, 10_000) + WARM_UP
    ours, bare = [], []
    with shared.own_bench(run, people=size, sizes=[WARM_UP]) as bench:
        for turn in range(scale.rounds(run)):
            planned = json.loads(bench.inside("plan", str(WARM_UP), str(size)).splitlines()[-1])
            rows = int(
                bench.database.value(
                    "SELECT count(*) FROM carillon_delivery WHERE notification_id = %s", planned["notification"]
                )
            )
            ours.append(rows / planned["seconds"])
            bare.append(rows / inserted(bench, planned["notification"], turn))
    ratio = median_ratio(zip(ours, bare, strict=True))
    detail = {
        "people": size,
        "rows": rows,
        "planned_rows_per_s": spread(ours),
        "insert_select_rows_per_s": spread(bare),
        "how": "one process plans, each page a transaction; the INSERT is one statement from a copied table, committed",
        "sql": [STAGE_SQL, RENAME_SQL, INSERT_SQL],
    }
    return [Figure("plan_share_of_insert_select", round(ratio, 3), "x", ">= 0.25 x", ratio >= 0.25, detail)]


def inserted(bench: Bench, notification: str, turn: int) -> float:
    """Insert the rows of a notification once more and return how many seconds it took."""
    bench.database.do(STAGE_SQL, notification)
    bench.database.do(RENAME_SQL, *[str(turn)] * 3)
    bench.database.do("ANALYZE bench_rows")
    bench.database.do("CHECKPOINT")
    began = time.monotonic()
    bench.database.do(INSERT_SQL)
    took = time.monotonic() - began
    bench.database.do("DROP TABLE bench_rows")
    return took
