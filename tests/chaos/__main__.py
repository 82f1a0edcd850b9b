"""`make chaos`: run every scenario (or `ONLY=a,b`), write `build/chaos.json`, and print a line for each figure.

What falls short is `"pass": false` in the file. The exit status is 1 only when the run itself broke: a scenario could
not be carried out to its end.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.chaos.figures import QUICK, FellShort, Figure, Run
from tests.chaos.ground import Ground
from tests.chaos.lanes import LANE, lanes_of, run_lanes
from tests.chaos.machine import machine
from tests.chaos.registry import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ROOT / "build" / "chaos.json"
FOLDER = ROOT / "build" / "chaos"
if LANE in os.environ:
    FOLDER = Path(os.environ[LANE])
    OUTPUT = FOLDER / "chaos.json"
SEED = 20_261_122


def main() -> int:
    """Run what was asked for and return the exit status."""
    wanted = [name for name in os.environ.get("ONLY", "").replace(" ", "").split(",") if name] or list(SCENARIOS)
    if unknown := set(wanted) - set(SCENARIOS):
        print(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}", file=sys.stderr)
        return 1
    seed = int(os.environ.get("SEED") or SEED)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    lanes = lanes_of(wanted) if QUICK and LANE not in os.environ else [wanted]
    if len(lanes) > 1:
        lines, status = run_lanes(lanes, FOLDER)
        order = {name: place for place, name in enumerate(SCENARIOS, start=1)}
        write(sorted(lines, key=lambda line: order.get(line["name"], 0)))
    else:
        status = run_in_turn(wanted, seed)
    print(f"{OUTPUT.relative_to(ROOT)} written after {time.monotonic() - began:.0f} s", file=sys.stderr)
    return status


def run_in_turn(wanted: list[str], seed: int) -> int:
    """Run one scenario after the other on one ground and return the exit status."""
    with Ground.at(FOLDER) as ground:
        figures = [machine(ground)]
        broken = []
        for name in wanted:
            found, error = carry_out(name, seed)
            figures += found
            broken += [name] if error else []
            write([figure.as_json() for figure in figures])
    if broken:
        print(f"could not be carried out: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def carry_out(name: str, seed: int) -> tuple[list[Figure], bool]:
    """Run one scenario; one that raises becomes a figure that did not pass, with the traceback in its detail."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    print(f"{name} ...", file=sys.stderr, flush=True)
    error = False
    try:
        found = list(importlib.import_module(SCENARIOS[name]).run(Run(folder, seed, QUICK)))
    except Exception as reason:  # noqa: BLE001 - the others must still run
        error = not isinstance(reason, FellShort)
        text = traceback.format_exc()
        print(text, file=sys.stderr)
        found = [Figure(name, 0, "", "the scenario comes to its end", False, {"error": text[-4_000:]})]
    took = time.monotonic() - began
    found = [
        Figure(
            f.name,
            f.value,
            f.unit,
            f.want,
            f.passed,
            {
                **f.detail,
                "seed": seed,
                "quick": QUICK,
                "took_s": round(took, 1),
                "load_1m": round(os.getloadavg()[0], 1),
            },
        )
        for f in found
    ]
    for figure in found:
        verdict = "pass" if figure.passed else "FALLS SHORT"
        print(
            f"  {figure.name}: {figure.value:g} {figure.unit} (want: {figure.want}) {verdict}, {took:.0f} s",
            file=sys.stderr,
        )
    return found, error


def write(lines: list[dict[str, Any]]) -> None:
    """Write the file anew, whole or not at all."""
    fresh = OUTPUT.with_suffix(".new")
    fresh.write_text(json.dumps(lines, indent=2, default=str) + "\n")
    fresh.replace(OUTPUT)


if __name__ == "__main__":
    sys.exit(main())
