"""How a run goes: one scenario after the other on one ground, and a file of figures that grows with each."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from project.demo.stack import ROOT
from tests.ground.figures import QUICK, FellShort, Figure, Run
from tests.ground.machine import machine
from tests.ground.services import Ground

#: What is drawn from, unless SEED names another.
SEED = 20_261_122


@dataclass(frozen=True)
class Suite:
    """Scenarios by name (the module whose `run` makes the figures), a folder for each, and the file of all figures.

    Modules are named, not imported, so that one that cannot even be loaded is reported and the others still run.
    """

    scenarios: Mapping[str, str]
    folder: Path
    output: Path
    figures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What a scenario's figures are called, where it is not as the scenario."""

    def wanted(self) -> list[str]:
        """Return the scenarios that `ONLY=a,b` names, or all.

        Raises:
            SystemExit: it names one that there is not.
        """
        wanted = [name for name in os.environ.get("ONLY", "").replace(" ", "").split(",") if name]
        if unknown := set(wanted) - set(self.scenarios):
            print(
                f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(self.scenarios)}",
                file=sys.stderr,
            )
            raise SystemExit(1)
        return wanted or list(self.scenarios)

    def run_in_turn(self, wanted: Sequence[str], seed: int, ground: Ground) -> int:
        """Run one scenario after the other and return the exit status."""
        figures = [machine(ground)]
        broken = []
        for name in wanted:
            found, error = self.carry_out(name, seed)
            figures += found
            broken += [name] if error else []
            self.write([figure.as_json() for figure in figures])
        if broken:
            print(f"could not be carried out: {', '.join(broken)}", file=sys.stderr)
        return 1 if broken else 0

    def carry_out(self, name: str, seed: int) -> tuple[list[Figure], bool]:
        """Run one scenario; one that raises becomes a figure that did not pass, with the traceback in its detail."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        print(f"{name} ...", file=sys.stderr, flush=True)
        error = False
        try:
            found = list(importlib.import_module(self.scenarios[name]).run(Run(folder, seed, QUICK)))
        except Exception as reason:  # noqa: BLE001 - the others must still run
            error = not isinstance(reason, FellShort)
            text = traceback.format_exc()
            print(text, file=sys.stderr)
            found = [
                Figure(figure, 0, "", "the scenario comes to its end", False, {"error": text[-4_000:]})
                for figure in self.figures.get(name, (name,))
            ]
        took = time.monotonic() - began
        circumstances = {
            "seed": seed,
            "quick": QUICK,
            "took_s": round(took, 1),
            "load_1m": round(os.getloadavg()[0], 1),
        }
        found = [replace(figure, detail={**figure.detail, **circumstances}) for figure in found]
        for figure in found:
            verdict = "pass" if figure.passed else "FALLS SHORT"
            print(
                f"  {figure.name}: {figure.value:g} {figure.unit} (want: {figure.want}) {verdict}, {took:.0f} s",
                file=sys.stderr,
            )
        return found, error

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Write the file anew, whole or not at all."""
        fresh = self.output.with_suffix(".new")
        fresh.write_text(json.dumps(lines, indent=2, default=str) + "\n")
        fresh.replace(self.output)

    def say_written(self, began: float) -> None:
        """Say where the figures are, and how long the run took."""
        took = time.monotonic() - began
        print(f"{self.output.relative_to(ROOT)} written after {took:.0f} s", file=sys.stderr)
