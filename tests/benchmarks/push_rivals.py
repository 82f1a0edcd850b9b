"""Our broadcast against what else sends pushes: measured one after the other, again and again, in the same minutes."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from tests.benchmarks import scale, shared
from tests.benchmarks.judging import median_ratio, spread
from tests.benchmarks.rivals.processes import Rival, bare_client, celery_task_each, rq_job_each
from tests.ground.figures import Figure, Run

IN_FLIGHT = 64
HOW = (
    "each round measures all of them, the others idle and we frozen; we from the request until every row is recorded, "
    "they from the first message that the sink took to the last, without recording anything; two sending processes each"
)


def run(run: Run) -> list[Figure]:
    """Measure in rounds."""
    size = scale.size(run, 50_000, 6_000)
    counts = {
        "bare aiohttp": scale.size(run, 40_000, 6_000),
        "bare pyreqwest": scale.size(run, 40_000, 6_000),
        "RQ": scale.size(run, 3_000, 400),
        "Celery": scale.size(run, 6_000, 800),
    }
    ours: list[float] = []
    cpu: list[dict[str, float]] = []
    theirs: dict[str, list[float]] = {name: [] for name in counts}
    with shared.bench(run, people=size, sizes=[500]) as bench, ExitStack() as until_end:
        bench.send(500)
        redis_url = bench.ground.services.redis_url
        rivals: list[Rival] = [
            bare_client(bench.sink, "aiohttp", IN_FLIGHT),
            bare_client(bench.sink, "pyreqwest", IN_FLIGHT),
            rq_job_each(bench.sink, redis_url),
            celery_task_each(bench.sink, redis_url, run.folder),
        ]
        with bench.stack.frozen():
            for rival in rivals:
                until_end.enter_context(rival).warm_up(bench.sink)
        for turn in range(scale.rounds(run)):
            # Whoever begins a round is another one each time.
            first = turn % 2 == 0
            if first:
                sent = bench.send(size)
            with bench.stack.frozen():
                for rival in rivals[turn % 4 :] + rivals[: turn % 4]:
                    theirs[rival.name].append(rival.measure(bench.sink, counts[rival.name]))
            if not first:
                sent = bench.send(size)
            ours.append(sent.per_s)
            cpu.append({name: round(1e6 * value / sent.accepted, 1) for name, value in sent.cpu.items()})
        kind = bench.sink.kind
    common = {"how": HOW, "sink": kind, "recipients": size, "messages": counts, "ours_per_s": spread(ours)}
    return figures(ours, theirs, {**common, "our_cpu_us_per_message": cpu})


def figures(ours: list[float], theirs: dict[str, list[float]], common: dict[str, object]) -> list[Figure]:
    """Return the three comparisons."""
    best = max(("bare aiohttp", "bare pyreqwest"), key=lambda name: median(theirs[name]))
    made = []
    for name, rival, want in (
        ("share_of_bare_client", best, 0.4),
        ("vs_rq_job_each", "RQ", 15.0),
        ("vs_celery", "Celery", 8.0),
    ):
        ratio = median_ratio(zip(ours, theirs[rival], strict=True))
        detail = {"against": rival, **{f"{key}_per_s": spread(value) for key, value in theirs.items()}, **common}
        made.append(Figure(name, round(ratio, 3), "x", f">= {want:g} x", ratio >= want, detail))
    return made
