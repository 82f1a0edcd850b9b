"""A login code by SMS every 100 ms while a broadcast to a million goes out by push, until the provider has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Sent
from tests.benchmarks.judging import percentile
from tests.benchmarks.load import Order, Seen, phone
from tests.benchmarks.loading import load_beside
from tests.ground.figures import FellShort, Figure, Run

PER_SECOND = 10.0
FOREVER = 86_400.0


def run(run: Run) -> list[Figure]:
    """Send both."""
    size = scale.size(run, 1_000_000, 25_000)
    with shared.bench(run, people=size, sizes=[500]) as bench:
        bench.send(500)
        order = Order(bench.stack.url, "code", bench.key, seconds=FOREVER, per_second=PER_SECOND)
        place = bench.sink.log.end()
        with load_beside(run.folder, order) as seen:
            sent = bench.send(size)
        bench.sink.settle()
        taken = {one.to: one.at for one in bench.sink.log.since(place, "twilio")}
        pushes = [one.at for one in bench.sink.log.since(place, "fcm")]
    return figures(seen, taken, (min(pushes), max(pushes)), sent)


def latencies(seen: Sequence[Seen], taken: Mapping[str, float], span: tuple[float, float]) -> list[float]:
    """Return seconds from when each code was due to be asked for until the provider had it, of those in the span.

    Raises:
        FellShort: one was refused or never came.
    """
    during = [one for one in seen if span[0] <= one.due <= span[1]]
    lost = [one.number for one in during if one.status != 202 or phone(one.number) not in taken]
    if lost:
        raise FellShort(f"{len(lost)} of {len(during)} codes were refused or did not come")
    return [taken[phone(one.number)] - one.due for one in during]


def figures(seen: Sequence[Seen], taken: Mapping[str, float], span: tuple[float, float], sent: Sent) -> list[Figure]:
    """Return both percentiles."""
    found = latencies(seen, taken, span)
    detail = {
        "codes": len(found),
        "every_s": 1 / PER_SECOND,
        "max_s": round(max(found), 3),
        "p50_s": round(percentile(found, 0.5), 3),
        "p90_s": round(percentile(found, 0.9), 3),
        "p99_s": round(percentile(found, 0.99), 3),
        "answered_p99_s": round(percentile([one.latency for one in seen], 0.99), 3),
        "counted_from": "the moment a request was due by the schedule, to the sink's log",
        "broadcast": sent.detail(),
        "broadcast_per_s": round(sent.per_s, 1),
    }
    made = []
    for name, part, most in (("otp_p50_s", 0.5, 0.3), ("otp_p99_s", 0.99, 1.0)):
        value = percentile(found, part)
        made.append(Figure(name, round(value, 3), "s", f"<= {most:g} during the broadcast", value <= most, detail))
    return made
