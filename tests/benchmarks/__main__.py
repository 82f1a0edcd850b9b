"""`make bench`: measure everything (or `ONLY=a,b`), write `build/bench.json`, and print a line for each figure.

What falls short is `"pass": false` in the file. The exit status is 1 only when the run itself broke: a scenario could
not be carried out to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

from project.demo.stack import ROOT
from tests.benchmarks import shared
from tests.benchmarks.deployment import SETTINGS
from tests.benchmarks.registry import FIGURES, SCENARIOS
from tests.ground.running import SEED, Suite
from tests.ground.services import Ground

OUTPUT = ROOT / "build" / "bench.json"
FOLDER = ROOT / "build" / "bench"


def main() -> int:
    """Run what was asked for and return the exit status."""
    suite = Suite(SCENARIOS, FOLDER, OUTPUT, FIGURES)
    if asked := os.environ.get("ONLY", ""):
        os.environ["ONLY"] = ",".join(dict.fromkeys(scenario_of(name) for name in asked.replace(" ", "").split(",")))
    wanted = suite.wanted()
    seed = int(os.environ.get("SEED") or SEED)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    with Ground.at(FOLDER, SETTINGS) as ground:
        try:
            status = suite.run_in_turn(wanted, seed, ground)
        finally:
            shared.stop()
    suite.say_written(began)
    return status


def scenario_of(name: str) -> str:
    """Return the scenario that makes a figure; a scenario's own name stays."""
    return next((scenario for scenario, figures in FIGURES.items() if name in figures), name)


if __name__ == "__main__":
    sys.exit(main())
