"""The same broadcast to a provider that answers at once and to one that takes 100 ms, as real ones do."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Bench
from tests.benchmarks.judging import median_ratio, spread
from tests.benchmarks.sink import LATENCY
from tests.ground.figures import Figure, Run

#: Rate is send window / latency: two workers and 100 ms need more than the default of 64 for thousands a second, and
#: nothing is handed over while a worker claims, plans and records, which is about half its time.
SEND_WINDOW = "600"


def run(run: Run) -> list[Figure]:
    """Send in turns; workers are started anew for each provider."""
    size = scale.size(run, 50_000, 8_000)
    rates: dict[str, list[float]] = {"at once": [], "after 100 ms": []}
    with shared.own_bench(run, people=size, sizes=[500], env={"BENCH_SEND_WINDOW": SEND_WINDOW}) as bench:
        bench.stack.start_web()
        bench.make_key()
        kind = bench.sink.kind
        environments = {"at once": bench.stack.env, "after 100 ms": slow_environment(bench)}
        running = ""
        for turn in range(scale.rounds(run)):
            for name in sorted(environments, reverse=turn % 2 == 1):
                # Whoever ended a round begins the next.
                if name != running:
                    running = name
                    bench.stack.stop_workers()
                    bench.stack.env = dict(environments[name])
                    bench.begin_workers(2)
                    bench.send(500)
                rates[name].append(bench.send(size).per_s)
    ratio = median_ratio(zip(rates["after 100 ms"], rates["at once"], strict=True))
    detail = {
        "recipients": size,
        "sink": kind,
        "latency_s": LATENCY,
        "send_window": int(SEND_WINDOW),
        **{f"per_s_{name.replace(' ', '_')}": spread(values) for name, values in rates.items()},
        "how": "the same send window for both, two workers",
    }
    return [Figure("rate_at_100ms_latency", round(ratio, 3), "x", ">= 0.7 x", ratio >= 0.7, detail)]


def slow_environment(bench: Bench) -> Mapping[str, str]:
    """Return the environment that leads workers to the provider that takes its time."""
    with bench.new_stack("slow", slow=True) as slow:
        return {**slow.env, "CARILLON_PUBLIC_URL": bench.stack.url}
