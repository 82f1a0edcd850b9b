"""Callbacks of a provider: a signed burst of a thousand, and what taking one costs beside a bare view.

Twilio's reports that login codes arrived: its signature is checked, the report stored and reconciled by the workers
meanwhile. Each is the first report of its code, for one that repeats another changes nothing and is cheap. The bare
view stores one row behind the same server, under the same open load, half of what we sustain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from tests.benchmarks import scale
from tests.benchmarks.deployment import Bench
from tests.benchmarks.judging import median_ratio, percentile, spread
from tests.benchmarks.load import Order, Seen
from tests.benchmarks.loading import load, load_beside, load_warm
from tests.benchmarks.single import BARE_SETTINGS, CLIENTS, answered
from tests.ground.figures import FellShort, Figure, Run

BURST, LONGEST_SECONDS, MOST_TIMES = 1_000, 10.0, 3.0
#: More than a load reports, before which they stand as sent again. Of these an order begins 1,000 behind the one before
#: it (`APART`), so that no warm-up reports what is counted.
_CODES, _ITEMS = 9_000, 500
_PATIENCE_SECONDS = 180.0
_COUNT_SQL = "SELECT count(*) FROM carillon_delivery WHERE channel = 'sms'"
_UNSENT_SQL = "SELECT 1 FROM carillon_delivery WHERE channel = 'sms' AND state <> 'sent' LIMIT 1"
_SENT_SQL = "SELECT id || '.' || attempt FROM carillon_delivery WHERE channel = 'sms' AND state = 'sent'"
_OPEN_SQL = "SELECT 1 FROM carillon_receipt WHERE due_at IS NOT NULL LIMIT 1"
_UNREPORT_SQL = (
    "UPDATE carillon_delivery SET state = 'sent', reason = '', delivered_at = NULL "
    "WHERE channel = 'sms' AND state = 'delivered'"
)
_KEPT_SQL = "SELECT count(*) FROM carillon_receipt"


def run(run: Run) -> list[Figure]:
    """Measure bursts, then the rate, then latencies in turns."""
    for_rate, for_latency = scale.seconds(run, 4, 3), scale.seconds(run, 12, 4)
    rounds = scale.rounds(run)
    latencies: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    with Bench(run, people=1_000) as bench, bench.new_stack("bare", env=BARE_SETTINGS) as bare:
        bench.begin()
        bare.start_web()
        with bare.frozen():
            sent = codes(bench, _CODES if scale.SCALE >= 1 else 500)
            warm = Order(bench.stack.url, "callback", seconds=2, clients=CLIENTS, users=sent)
            taken(bench, warm)
            burst = Order(bench.stack.url, "callback", seconds=1, per_second=BURST, users=sent)
            bursts, rates = [], []
            for _ in range(rounds):
                fresh(bench)
                bursts.append(taken(bench, burst))
            asking = Order(bench.stack.url, "callback", seconds=for_rate, clients=CLIENTS, users=sent)
            for _ in range(rounds):
                fresh(bench)
                rates.append(sustained(bench, asking))
        per_second = median(rates) / 2
        for _ in range(rounds):
            for name, stack, kind, status in (("ours", bench.stack, "callback", 200), ("bare", bare, "bare", 202)):
                other = bare if stack is bench.stack else bench.stack
                fresh(bench)
                with other.frozen():
                    half = Order(stack.url, kind, seconds=for_latency, per_second=per_second, users=sent)
                    latencies[name].append([one.latency for one in answered(load_warm(run.folder, half), status)])
    return figures([lasted(seen) for seen in bursts], latencies, rates)


def codes(bench: Bench, count: int) -> tuple[str, ...]:
    """Send login codes by SMS and return the ids that went out with them, once all are sent.

    Raises:
        FellShort: they are not, in time.
    """
    order = Order(bench.stack.url, "codes", bench.key, seconds=600, clients=1, items=min(count, _ITEMS))
    with load_beside(bench.run.folder, order):
        _wait(lambda: int(bench.database.value(_COUNT_SQL)) >= count, "enough codes are not accepted")
    _wait(lambda: not bench.database.rows(_UNSENT_SQL), "not all codes are sent")
    return tuple(str(identity) for (identity,) in bench.database.rows(_SENT_SQL))


def fresh(bench: Bench) -> None:
    """Let all reports so far be reconciled, and every code wait for its report once more.

    Raises:
        FellShort: some are not reconciled, in time.
    """
    _wait(lambda: not bench.database.rows(_OPEN_SQL), "callbacks wait to be reconciled")
    bench.database.do(_UNREPORT_SQL)
    bench.database.do("VACUUM ANALYZE carillon_delivery")


def _wait(is_there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_there():
        if time.monotonic() > deadline:
            raise FellShort(what)
        time.sleep(0.02)


def taken(bench: Bench, order: Order) -> list[Seen]:
    """Return what was seen, if each callback was answered with a 200 and is kept.

    Raises:
        FellShort: one was refused or lost.
    """
    before = int(bench.database.value(_KEPT_SQL))
    seen = answered(load(bench.run.folder, order), 200)
    kept = int(bench.database.value(_KEPT_SQL)) - before
    if kept != len(seen):
        raise FellShort(f"{len(seen)} callbacks were taken, {kept} are kept")
    return seen


def sustained(bench: Bench, order: Order) -> float:
    """Return callbacks a second, from the first until all of them are kept and reconciled.

    Workers let the door go first: what it takes alone they may reconcile only when it has closed.

    Raises:
        FellShort: one was refused or lost, or is not reconciled in time.
    """
    seen = taken(bench, order)
    _wait(lambda: not bench.database.rows(_OPEN_SQL), "callbacks wait to be reconciled")
    return len(seen) / (time.time() - min(one.began for one in seen))


def lasted(seen: Sequence[Seen]) -> float:
    """Return seconds from when the first was due to the last answer."""
    return max(one.ended for one in seen) - min(one.due for one in seen)


def figures(bursts: Sequence[float], latencies: dict[str, list[list[float]]], rates: Sequence[float]) -> list[Figure]:
    """Return both lines."""
    by_round = {who: [percentile(values, 0.99) for values in rounds] for who, rounds in latencies.items()}
    ratio = median_ratio(zip(by_round["ours"], by_round["bare"], strict=True))
    detail = {
        "open_load_per_s": round(median(rates) / 2, 1),
        "sustained_per_s": spread(rates),
        "counted_from": "the moment a callback was due by the schedule, after three seconds of the same load",
        "requests": {who: sum(map(len, rounds)) for who, rounds in latencies.items()},
        **{f"{who}_s": spread(values) for who, values in by_round.items()},
    }
    worst = max(bursts)
    return [
        Figure(
            "webhook_burst_s",
            round(worst, 2),
            "s",
            f"<= {LONGEST_SECONDS:g} for {BURST:,} signed callbacks due within a second, all 200 and kept",
            worst <= LONGEST_SECONDS,
            {"each_s": spread(bursts), "callbacks": BURST, "each": "the first report of its code"},
        ),
        Figure(
            "webhook_p99_vs_bare_view",
            round(ratio, 2),
            "x",
            f"<= {MOST_TIMES:g} x at half of what it sustains",
            ratio <= MOST_TIMES,
            detail,
        ),
    ]
