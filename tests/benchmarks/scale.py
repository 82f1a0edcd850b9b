"""How large a measurement is: the whole run's, that of `QUICK=1`, or a fraction of either to try the harness out."""

from __future__ import annotations

import os

from tests.ground.figures import Run

#: `SCALE=0.05` takes a twentieth of every size; what it measures says little, whether it works says much.
SCALE = float(os.environ.get("SCALE") or 1)
LEAST = 100


def size(run: Run, whole: int, quick: int) -> int:
    """Return how many recipients or messages a measurement is made with."""
    return max(LEAST, int(run.size(whole, quick) * SCALE))


def rounds(run: Run, whole: int = 3, quick: int = 2) -> int:
    """Return how often a pair is measured."""
    return run.size(whole, quick)


def seconds(run: Run, whole: float, quick: float) -> float:
    """Return how long a load lasts."""
    return max(2.0, (quick if run.quick else whole) * min(1.0, SCALE * 4))
