"""`make chaos`: run every scenario (or `ONLY=a,b`), write `build/chaos.json`, and print a line for each figure.

What falls short is `"pass": false` in the file. The exit status is 1 only when the run itself broke: a scenario could
not be carried out to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from project.demo.stack import ROOT
from tests.chaos.lanes import LANE, lanes_of, run_lanes
from tests.chaos.registry import SCENARIOS
from tests.ground.figures import QUICK
from tests.ground.running import SEED, Suite
from tests.ground.services import Ground

OUTPUT = ROOT / "build" / "chaos.json"
FOLDER = ROOT / "build" / "chaos"
if LANE in os.environ:
    FOLDER = Path(os.environ[LANE])
    OUTPUT = FOLDER / "chaos.json"


def main() -> int:
    """Run what was asked for and return the exit status."""
    suite = Suite(SCENARIOS, FOLDER, OUTPUT)
    wanted = suite.wanted()
    seed = int(os.environ.get("SEED") or SEED)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    lanes = lanes_of(wanted) if QUICK and LANE not in os.environ else [wanted]
    if len(lanes) > 1:
        lines, status = run_lanes(lanes, FOLDER)
        order = {name: place for place, name in enumerate(SCENARIOS, start=1)}
        suite.write(sorted(lines, key=lambda line: order.get(line["name"], 0)))
    else:
        with Ground.at(FOLDER) as ground:
            status = suite.run_in_turn(wanted, seed, ground)
    suite.say_written(began)
    return status


if __name__ == "__main__":
    sys.exit(main())
