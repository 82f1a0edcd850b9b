"""An email broadcast against django-post_office with its processes and threads, through Postmark's API to one sink."""

from __future__ import annotations

import resource
from collections.abc import Callable

from tests.benchmarks import scale, shared
from tests.benchmarks.deployment import Bench
from tests.benchmarks.judging import compare, median_ratio, rate, spread
from tests.benchmarks.stack import BenchStack
from tests.ground.figures import Figure, Run

PROCESSES = "2"
RIVAL_SETTINGS = "tests.benchmarks.rivals.post_office_settings"


def run(run: Run) -> list[Figure]:
    """Send in turns."""
    size, count = scale.size(run, 20_000, 4_000), scale.size(run, 4_000, 500)
    ours, theirs, exact = [], [], True
    cpu: dict[str, list[float]] = {"ours": [], "post_office": []}
    with shared.bench(run, people=size, sizes=[500]) as bench:
        bench.send(500, channel="email")
        env = {"DJANGO_SETTINGS_MODULE": RIVAL_SETTINGS, "SINK_MAIL_URL": bench.sink.mail_url}
        with bench.new_stack("post_office", env=env) as rival:
            rival.manage("migrate", "--skip-checks", "--verbosity", "0")
            start_up = child_cpu(lambda: send_queued(rival))
            for turn in range(scale.rounds(run)):
                sent = bench.send(size, channel="email", exact=True)
                exact &= bool(sent.exactness and sent.exactness.exact)
                ours.append(sent.per_s)
                cpu["ours"].append(1e6 * sent.cpu["workers"] / sent.accepted)
                with bench.stack.frozen():
                    rate_of_theirs, took = post_office(bench, rival, count, str(turn))
                theirs.append(rate_of_theirs)
                cpu["post_office"].append(1e6 * max(0.0, took - start_up) / count)
    ratio = median_ratio(zip(ours, theirs, strict=True))
    detail = {
        "recipients": size,
        "emails_of_post_office": count,
        "ours_per_s": spread(ours),
        "post_office_per_s": spread(theirs),
        "senders_cpu_us_per_email": {name: spread(values) for name, values in cpu.items()},
        "exact": exact,
        "how": (
            f"post_office: send_queued_mail with {PROCESSES} processes of 16 threads, from the first email that the "
            "sink took to the last, queued beforehand; ours: from the request until every row is recorded, two "
            "workers, 32 emails in one of Postmark's batch calls; post_office hands anymail one email at a time"
        ),
    }
    return [Figure("email_vs_post_office", round(ratio, 2), "x", ">= 8 x", ratio >= 8 and exact, detail)]


def send_queued(rival: BenchStack) -> None:
    """Send whatever is queued."""
    rival.manage("send_queued_mail", "--processes", PROCESSES, "--lockfile", str(rival.folder / "lock"))


def child_cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the processes that some work starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def post_office(bench: Bench, rival: BenchStack, count: int, mark: str) -> tuple[float, float]:
    """Queue and send so many; return how many a second the sink took, and the CPU seconds that sending them took.

    Raises:
        RuntimeError: not every email came exactly once.
    """
    rival.run("-m", "tests.benchmarks.rivals.post_office_queue", str(count), mark)
    place = bench.sink.log.end()
    took = child_cpu(lambda: send_queued(rival))
    bench.sink.settle()
    taken = list(bench.sink.log.since(place, "postmark"))
    found = compare((f"r{mark}-{number}@bench.example.org" for number in range(count)), (one.to for one in taken))
    if not found.exact:
        raise RuntimeError(f"post_office: {found}")
    return rate([one.at for one in taken]), took
