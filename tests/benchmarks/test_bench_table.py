"""The table and the plot are made from the file alone, and what fell short says so."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).resolve().parent.parent.parent / ".ci" / "bench_table.py"
BAR = {"median": 100.0, "least": 90.0, "most": 120.0, "all": [90.0, 100.0, 120.0]}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_table", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(name: str, value: float, unit: str, passed: bool, **detail: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "want": "much", "pass": passed, "detail": detail}


MACHINE = line("machine", 2, "cores", True, cores=2, postgresql="18.4", python="3.11.7")


def test_a_row_for_each_figure(maker: ModuleType) -> None:
    made = maker.table([MACHINE, line("vs_celery", 9.5, "x", True), line("broadcast_push_per_s", 2_345.6, "/s", False)])
    assert "| Against one Celery task for each recipient | 9.5 × | much |" in made
    assert "2,346 /s (falls short)" in made


def test_bars_with_their_spread(maker: ModuleType) -> None:
    keys = [key for _, key in maker.BARS]
    drawn = maker.plot([MACHINE, line("share_of_bare_client", 0.5, "x", True, **dict.fromkeys(keys, BAR))])
    root = ET.fromstring(drawn)
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) == len(keys)


def test_nothing_measured_draws_nothing(maker: ModuleType) -> None:
    assert maker.plot([MACHINE]) is None
    assert maker.plot([MACHINE, line("share_of_bare_client", 0, "", False, error="broke")]) is None
