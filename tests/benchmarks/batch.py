"""The batch endpoint: notifications accepted a second, a thousand in a request, while workers send them."""

from __future__ import annotations

from statistics import median

from tests.benchmarks import scale, shared
from tests.benchmarks.judging import spread
from tests.benchmarks.load import Order
from tests.benchmarks.loading import load, reachable_users
from tests.benchmarks.single import answered, rate_of
from tests.ground.figures import Figure, Run

ITEMS, CLIENTS = 1_000, 2
ROWS_SQL = "SELECT count(*) FROM carillon_notification"


def run(run: Run) -> list[Figure]:
    """Measure with workers at work, and once without, to tell what they take."""
    seconds = scale.seconds(run, 20, 2)
    items = ITEMS if scale.SCALE >= 1 else 100
    rates = []
    with shared.bench(run, people=10_000, sizes=[]) as bench:
        users = reachable_users(bench.database)
        order = Order(bench.stack.url, "batch", bench.key, seconds=seconds, clients=CLIENTS, users=users, items=items)
        answered(load(run.folder, Order(**{**vars(order), "seconds": 1.0})))
        exact = True
        for _ in range(scale.rounds(run)):
            before = int(bench.database.value(ROWS_SQL))
            seen = answered(load(run.folder, order))
            rates.append(items * rate_of(seen))
            exact &= int(bench.database.value(ROWS_SQL)) - before == items * len(seen)
        with bench.stack.frozen_workers():
            alone = items * rate_of(answered(load(run.folder, order)))
        shared.rest(bench)
    value = median(rates)
    detail = {
        "accepted_per_s": spread(rates),
        "without_workers_per_s": round(alone, 1),
        "items_in_a_request": items,
        "clients": CLIENTS,
        "every_item_is_a_row": exact,
        "sql": [ROWS_SQL],
    }
    return [Figure("batch_per_s", round(value, 1), "/s", ">= 1500 accepted", value >= 1_500 and exact, detail)]
