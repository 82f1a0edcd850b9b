"""A broadcast while somebody holds an old snapshot (a forgotten psql, a dump): dead rows cannot be cleared away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2

from tests.benchmarks import scale, shared
from tests.benchmarks.judging import median_ratio, spread
from tests.ground.figures import Figure, Run

HELD_SQL = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM carillon_category"


def run(run: Run) -> list[Figure]:
    """Send with and without, in turns."""
    size = scale.size(run, 100_000, 10_000)
    free, under = [], []
    with shared.bench(run, people=size, sizes=[500]) as bench:
        bench.send(500)
        for _ in range(scale.rounds(run)):
            free.append(bench.send(size).per_s)
            with held(bench.url):
                under.append(bench.send(size).per_s)
    ratio = median_ratio(zip(under, free, strict=True))
    detail = {
        "recipients": size,
        "per_s_free": spread(free),
        "per_s_held": spread(under),
        "how": "taken before the request, held until every row is recorded",
        "sql": [HELD_SQL],
    }
    return [Figure("rate_with_held_snapshot", round(ratio, 3), "x", ">= 0.5 x", ratio >= 0.5, detail)]


@contextlib.contextmanager
def held(url: str) -> Iterator[None]:
    """Hold a snapshot and do nothing."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(HELD_SQL)
        yield
    finally:
        connection.close()
