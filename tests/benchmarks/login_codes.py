"""A login code by SMS every 100 ms while a broadcast to a million goes out by push, until the provider has it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Bench, body_of
from tests.benchmarks.judging import percentile
from tests.benchmarks.load import Order, Seen, phone
from tests.benchmarks.loading import load_beside
from tests.ground.figures import FellShort, Figure, Run

PER_SECOND = 10.0
FOREVER = 86_400.0
#: Of a broadcast to a million so much: what comes later meets the same lanes and the same workers.
MEASURED_SECONDS = 180.0
RUNNING_SQL = "SELECT count(*) FROM carillon_broadcast WHERE id = %s AND status IN ('scheduled', 'planning', 'sending')"
CODES_UNDER_WAY_SQL = (
    "SELECT count(*) FROM carillon_delivery WHERE channel = 'sms' AND state IN ('pending', 'sending', 'uncertain')"
)


def run(run: Run) -> list[Figure]:
    """Send both."""
    size = scale.size(run, 1_000_000, 25_000)
    with shared.bench(run, people=size, sizes=[500]) as bench:
        bench.send(500)
        order = Order(bench.stack.url, "code", bench.key, seconds=FOREVER, per_second=PER_SECOND)
        place = bench.sink.log.end()
        with load_beside(run.folder, order) as seen:
            broadcast_for(bench, size, MEASURED_SECONDS)
        while int(bench.database.value(CODES_UNDER_WAY_SQL)):
            time.sleep(0.1)
        shared.rest(bench)
        bench.sink.settle()
        taken = {one.to: one.at for one in bench.sink.log.since(place, "twilio")}
        pushes = [one.at for one in bench.sink.log.since(place, "fcm")]
    return figures(seen, taken, pushes, size)


def broadcast_for(bench: Bench, size: int, seconds: float) -> None:
    """Broadcast to so many for so long, or to the end; what is left is cancelled."""
    made = bench.post("broadcasts/", body_of(size, "push"), f"bench-codes-{size}")
    deadline = time.monotonic() + seconds
    while bench.database.value(RUNNING_SQL, made["id"]):
        if time.monotonic() > deadline:
            bench.post(f"broadcasts/{made['id']}/cancel/", {}, f"bench-codes-cancel-{size}")
            return
        time.sleep(0.2)


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


def figures(seen: Sequence[Seen], taken: Mapping[str, float], pushes: Sequence[float], size: int) -> list[Figure]:
    """Return both percentiles; `pushes` are the moments at which the provider took those of the broadcast."""
    span = (min(pushes), max(pushes))
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
        "recipients_of_the_broadcast": size,
        "pushes_meanwhile": len(pushes),
        "pushes_per_s": round(len(pushes) / max(0.1, span[1] - span[0]), 1),
        "measured_s": round(span[1] - span[0], 1),
    }
    made = []
    for name, part, most in (("otp_p50_s", 0.5, 0.3), ("otp_p99_s", 0.99, 1.0)):
        value = percentile(found, part)
        made.append(Figure(name, round(value, 3), "s", f"<= {most:g} during the broadcast", value <= most, detail))
    return made
