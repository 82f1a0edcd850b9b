"""The judge's arithmetic: percentiles, medians and spread, and one recipient's due against what the sink was given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

MOST_NAMED = 5


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share (0 to 1) of all values does not exceed.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, object]:
    """Return median, least and most of repeated measurements, and the measurements themselves."""
    return {
        "median": round(median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
        "all": [round(value, 3) for value in values],
    }


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the median of ratios, each of two measurements made one right after the other."""
    return median([ours / theirs for ours, theirs in pairs if theirs])


def rate(moments: Sequence[float]) -> float:
    """Return events per second from the first to the last of these moments; the first only starts the clock."""
    if len(moments) < 2 or max(moments) <= min(moments):
        return 0.0
    return (len(moments) - 1) / (max(moments) - min(moments))


@dataclass(frozen=True)
class Exactness:
    """What was due against what came: every recipient is looked at."""

    due: int
    came: int
    missing: int
    unasked: int
    repeated: int
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether everybody who was due got exactly one, and nobody else anything; and somebody was due at all."""
        return bool(self.due) and self.due == self.came and not (self.missing or self.unasked or self.repeated)

    @property
    def wrong(self) -> int:
        """How many recipients got something else than they should have."""
        return self.missing + self.unasked + self.repeated


def compare(due: Iterable[str], came: Iterable[str]) -> Exactness:
    """Compare who was due one message each with whom messages went to, one by one."""
    wanted, got = set(due), Counter(came)
    missing, unasked = wanted - got.keys(), got.keys() - wanted
    repeated = [to for to, count in got.items() if count > 1]
    named = {"missing": missing, "unasked": unasked, "repeated": repeated}
    return Exactness(
        due=len(wanted),
        came=got.total(),
        missing=len(missing),
        unasked=len(unasked),
        repeated=len(repeated),
        examples={what: sorted(who)[:MOST_NAMED] for what, who in named.items() if who},
    )
