"""What one recipient costs among a million against among ten thousand: it must not grow with the audience."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.benchmarks.deployment import Sent
from tests.benchmarks.judging import spread
from tests.ground.figures import Figure


def figure(few: Sequence[Sent], many: Sent, sizes: tuple[int, int]) -> Figure:
    """Return the ratio of what one message cost among many to what it cost among few, right before and after."""
    small_cost = median(cost_us(sent) for sent in few)
    ratio = cost_us(many) / small_cost
    detail = {
        "recipients": list(sizes),
        "us_per_message_small": spread([cost_us(sent) for sent in few]),
        "us_per_message_large": round(cost_us(many), 1),
        "cpu_us_per_message_small": round(median(cpu_us(sent) for sent in few), 1),
        "cpu_us_per_message_large": round(cpu_us(many), 1),
        "from_first_to_last_per_s": [round(median(sent.steady_per_s for sent in few), 1), round(many.steady_per_s, 1)],
        "how": "wall time from the request until every row is recorded, for each message; small ones before and after",
    }
    return Figure("cost_1m_vs_10k", round(ratio, 3), "x", "<= 1.2 x", ratio <= 1.2, detail)


def cost_us(sent: Sent) -> float:
    """Return the wall time that one message took of the whole, in microseconds."""
    return 1e6 * sent.recorded_s / sent.accepted


def cpu_us(sent: Sent) -> float:
    """Return the CPU time that one message took in all parts but the sink, in microseconds."""
    return 1e6 * sum(value for name, value in sent.cpu.items() if name != "sink") / sent.accepted
