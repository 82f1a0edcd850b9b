"""Single notifications over HTTP: how many a second from request to provider, and what accepting one takes.

Against a bare DRF view with one INSERT behind the same server: rates with clients that ask again at once, latencies
with the same open load for both, half of what we can do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Bench, wait_for_workers
from tests.benchmarks.judging import median_ratio, percentile, spread
from tests.benchmarks.load import Order, Seen
from tests.benchmarks.loading import load, load_warm, reachable_users
from tests.benchmarks.stack import BenchStack
from tests.ground.figures import FellShort, Figure, Run

CLIENTS = 16
BARE_SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.rivals.bare_settings"}
_PATIENCE_SECONDS = 120.0


class Rates(NamedTuple):
    """Requests accepted a second while they were asked for, and messages taken by the provider a second in all."""

    accepted: float
    sustained: float


def run(run: Run) -> list[Figure]:
    """Measure rates in turns, then latencies in turns."""
    for_rates, for_latency = scale.seconds(run, 15, 2), scale.seconds(run, 30, 4)
    ours: list[Rates] = []
    bare_rates: list[float] = []
    latencies: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    with (
        shared.bench(run, people=10_000, sizes=[]) as bench,
        bench.new_stack("bare", env=BARE_SETTINGS) as bare,
    ):
        bare.start_web()
        users = reachable_users(bench.database)
        order = Order(bench.stack.url, "single", bench.key, seconds=for_rates, clients=CLIENTS, users=users)
        bare_order = Order(bare.url, "bare", seconds=for_rates, clients=CLIENTS, users=users)
        for turn in range(scale.rounds(run) + 1):
            rates, bare_rate = in_turn(bench, bare, order, bare_order)
            if turn:  # the first warms both up
                ours.append(rates)
                bare_rates.append(bare_rate)
        per_second = max(1.0, median(rate.sustained for rate in ours) / 2)
        for _ in range(scale.rounds(run)):
            for name, stack, kind in (("ours", bench.stack, "single"), ("bare", bare, "bare")):
                other = bare if stack is bench.stack else bench.stack
                with other.frozen():
                    half = Order(stack.url, kind, bench.key, seconds=for_latency, per_second=per_second, users=users)
                    latencies[name].append([one.latency for one in answered(load_warm(run.folder, half))])
        wait_for_workers(bench.ground.services.redis_url, 2)
    return figures(ours, bare_rates, latencies, per_second)


def in_turn(bench: Bench, bare: BenchStack, order: Order, bare_order: Order) -> tuple[Rates, float]:
    """Measure ours and then the bare view, each with the other frozen."""
    with bare.frozen():
        place, before = bench.sink.log.end(), bench.sink.log.count("fcm")
        seen = answered(load(bench.run.folder, order))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while bench.sink.log.count("fcm") - before < len(seen):
            if time.monotonic() > deadline:
                raise FellShort("not every accepted notification reached the provider")
            time.sleep(0.05)
        bench.sink.settle()
        moments = [one.at for one in bench.sink.log.since(place, "fcm")]
    ours = Rates(rate_of(seen), len(moments) / (max(moments) - min(one.began for one in seen)))
    with bench.stack.frozen():
        return ours, rate_of(answered(load(bench.run.folder, bare_order)))


def answered(seen: Sequence[Seen], status: int = 202) -> list[Seen]:
    """Return them, if each was answered with this status.

    Raises:
        FellShort: one was not.
    """
    statuses = Counter(one.status for one in seen)
    if set(statuses) != {status}:
        raise FellShort(f"answers other than {status}: {dict(statuses)}")
    return list(seen)


def rate_of(seen: Sequence[Seen]) -> float:
    """Return requests answered a second."""
    return len(seen) / (max(one.ended for one in seen) - min(one.began for one in seen))


def figures(
    ours: Sequence[Rates],
    bare: Sequence[float],
    latencies: dict[str, list[list[float]]],
    per_second: float,
) -> list[Figure]:
    """Return the four lines."""
    sustained = median(rate.sustained for rate in ours)
    share = median_ratio(zip((rate.sustained for rate in ours), bare, strict=True))
    rates = {
        "sustained_per_s": spread([rate.sustained for rate in ours]),
        "accepted_per_s_while_asked": spread([rate.accepted for rate in ours]),
        "bare_view_per_s": spread(bare),
        "share_of_bare_by_accepting_alone": round(
            median_ratio(zip((rate.accepted for rate in ours), bare, strict=True)), 3
        ),
        "clients": CLIENTS,
        "web": "gunicorn, 2 workers of 4 threads, for both; two workers send meanwhile",
    }
    made = [
        Figure(
            "single_per_s",
            round(sustained, 1),
            "/s",
            ">= 100, from the first request to the last message at the provider",
            sustained >= 100,
            rates,
        ),
        Figure("single_share_of_bare_view", round(share, 3), "x", ">= 0.35 x", share >= 0.35, rates),
    ]
    for name, part, most in (("accept_p50_vs_bare_view", 0.5, 3.0), ("accept_p99_vs_bare_view", 0.99, 5.0)):
        by_round = {who: [percentile(values, part) for values in rounds] for who, rounds in latencies.items()}
        ratio = median_ratio(zip(by_round["ours"], by_round["bare"], strict=True))
        detail = {
            "open_load_per_s": round(per_second, 1),
            "counted_from": "the moment a request was due by the schedule, after three seconds of the same load",
            "requests": {who: sum(map(len, rounds)) for who, rounds in latencies.items()},
            **{f"{who}_s": spread(values) for who, values in by_round.items()},
        }
        made.append(Figure(name, round(ratio, 2), "x", f"<= {most:g} x at half our load", ratio <= most, detail))
    return made
