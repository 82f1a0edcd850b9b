"""What one recipient costs among a million against among ten thousand: it must not grow with the audience."""

from __future__ import annotations

from statistics import median

from tests.benchmarks import scale
from tests.benchmarks.deployment import Bench, Sent
from tests.benchmarks.judging import spread
from tests.ground.figures import Figure, Run


def run(run: Run) -> list[Figure]:
    """Send small ones before and after the large one."""
    large, small = scale.size(run, 1_000_000, 100_000), scale.size(run, 10_000, 10_000)
    turns = scale.rounds(run, 3, 2)
    with Bench(run, people=large, sizes=[500, small]) as bench:
        bench.begin()
        bench.send(500)
        few = [bench.send(small) for _ in range(turns)]
        many = bench.send(large)
        few += [bench.send(small) for _ in range(turns)]
    small_cost = median(cost_us(sent) for sent in few)
    ratio = cost_us(many) / small_cost
    detail = {
        "recipients": [small, large],
        "us_per_message_small": spread([cost_us(sent) for sent in few]),
        "us_per_message_large": round(cost_us(many), 1),
        "cpu_us_per_message_small": round(median(cpu_us(sent) for sent in few), 1),
        "cpu_us_per_message_large": round(cpu_us(many), 1),
        "from_first_to_last_per_s": [round(median(sent.steady_per_s for sent in few), 1), round(many.steady_per_s, 1)],
        "how": "wall time from the request until every row is recorded, for each message; small ones before and after",
    }
    return [Figure("cost_1m_vs_10k", round(ratio, 3), "x", "<= 1.2 x", ratio <= 1.2, detail)]


def cost_us(sent: Sent) -> float:
    """Return the wall time that one message took of the whole, in microseconds."""
    return 1e6 * sent.recorded_s / sent.accepted


def cpu_us(sent: Sent) -> float:
    """Return the CPU time that one message took in all parts but the sink, in microseconds."""
    return 1e6 * sum(value for name, value in sent.cpu.items() if name != "sink") / sent.accepted
