"""Callbacks of a provider: a signed burst of a thousand, and what taking one costs beside a bare view.

Twilio's reports that login codes arrived: its signature is checked, the report stored and reconciled by the workers
meanwhile. The bare view stores one row behind the same server, under the same open load, half of what we sustain.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from tests.benchmarks import scale
from tests.benchmarks.deployment import Bench
from tests.benchmarks.judging import median_ratio, percentile, spread
from tests.benchmarks.load import Order, Seen
from tests.benchmarks.loading import load, load_warm
from tests.benchmarks.single import BARE_SETTINGS, CLIENTS, answered
from tests.ground.figures import FellShort, Figure, Run

BURST, LONGEST_SECONDS, MOST_TIMES = 1_000, 10.0, 3.0
_CODES = 500
_PATIENCE_SECONDS = 60.0
_SENT_SQL = "SELECT id || '.' || attempt FROM carillon_delivery WHERE channel = 'sms' AND state = 'sent'"
_OPEN_SQL = "SELECT 1 FROM carillon_receipt WHERE due_at IS NOT NULL LIMIT 1"
_KEPT_SQL = "SELECT count(*) FROM carillon_receipt"


def run(run: Run) -> list[Figure]:
    """Measure bursts, then the rate, then latencies in turns."""
    for_rate, for_latency = scale.seconds(run, 4, 3), scale.seconds(run, 12, 4)
    rounds = scale.rounds(run)
    latencies: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    with Bench(run, people=1_000) as bench, bench.new_stack("bare", env=BARE_SETTINGS) as bare:
        bench.begin()
        bare.start_web()
        sent = codes(bench)
        with bare.frozen():
            warm = Order(bench.stack.url, "callback", seconds=2, clients=CLIENTS, users=sent)
            taken(bench, warm)
            burst = Order(bench.stack.url, "callback", seconds=1, per_second=BURST, users=sent)
            bursts = [taken(bench, burst) for _ in range(rounds)]
            asking = Order(bench.stack.url, "callback", seconds=for_rate, clients=CLIENTS, users=sent)
            rates = [sustained(bench, asking) for _ in range(rounds)]
        per_second = median(rates) / 2
        for _ in range(rounds):
            for name, stack, kind, status in (("ours", bench.stack, "callback", 200), ("bare", bare, "bare", 202)):
                other = bare if stack is bench.stack else bench.stack
                with other.frozen():
                    half = Order(stack.url, kind, seconds=for_latency, per_second=per_second, users=sent)
                    latencies[name].append([one.latency for one in answered(load_warm(run.folder, half), status)])
    return figures([lasted(seen) for seen in bursts], latencies, rates)


def codes(bench: Bench) -> tuple[str, ...]:
    """Send login codes by SMS and return the ids that went out with them, once all are sent.

    Raises:
        FellShort: they are not, after a minute.
    """
    answered(load(bench.run.folder, Order(bench.stack.url, "code", bench.key, seconds=_CODES / 50, per_second=50)))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(found := bench.database.rows(_SENT_SQL)) < _CODES:
        if time.monotonic() > deadline:
            raise FellShort(f"only {len(found)} of {_CODES} codes were sent")
        time.sleep(0.1)
    return tuple(str(identity) for (identity,) in found)


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
        FellShort: one was refused or lost, or is not reconciled after a minute.
    """
    seen = taken(bench, order)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while bench.database.rows(_OPEN_SQL):
        if time.monotonic() > deadline:
            raise FellShort("callbacks wait to be reconciled")
        time.sleep(0.02)
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
        "counted_from": "the moment a callback was due by the schedule",
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
            {"each_s": spread(bursts), "callbacks": BURST},
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
