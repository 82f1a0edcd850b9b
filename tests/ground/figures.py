"""What a scenario reports: one line of `build/chaos.json` or `build/bench.json` each."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

QUICK = bool(os.environ.get("QUICK"))


@dataclass(frozen=True)
class Figure:
    """One measured line: `want` says in words what passes, `detail` holds raw counts, sizes and the SQL behind them."""

    name: str
    value: float
    unit: str
    want: str
    passed: bool
    detail: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return it as the file has it."""
        line = asdict(self)
        line["pass"] = line.pop("passed")
        return {key: line[key] for key in ("name", "value", "unit", "want", "pass", "detail")}


@dataclass(frozen=True)
class Run:
    """What a scenario is given: a folder of its own, its seed, and whether it must be small."""

    folder: Path
    seed: int
    quick: bool

    @property
    def draw(self) -> random.Random:
        """A generator of random numbers that begins anew from the seed."""
        return random.Random(self.seed)

    def size(self, whole: int, quick: int) -> int:
        """Return one of two sizes."""
        return quick if self.quick else whole


class FellShort(Exception):
    """What was waited for did not come: the product fell short, and the scenario cannot go on."""


Scenario = Callable[[Run], list[Figure]]
