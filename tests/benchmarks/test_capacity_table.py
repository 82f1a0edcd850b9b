"""What a rate needs is reckoned from the file alone, by the formula that the page states."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CPU = {"workers": 40.0, "postgresql": 20.0, "valkey": 1.0, "web": 0.5, "sink": 9.0}
SENT = {"accepted_by_sink": 200_000, "cpu_seconds": CPU, "quick": True}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(name: str, value: float, **detail: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "", "want": "", "pass": True, "detail": detail}


LINES = [
    line("machine", 2, cores=2, postgresql="18.4", python="3.11.7"),
    line("broadcast_push_per_s", 2_600.0, **SENT),
    line("worker_rss_mb", 150.0),
    line("cost_1m_vs_10k", 0.996, recipients=[10_000, 100_000]),
    line("cost_on_10m_rows", 1.071, recipients=8_000, deliveries_seeded=200_000, deliveries_in_all=234_000),
]


def test_what_ten_thousand_a_second_need() -> None:
    made = load("capacity_table").tables(LINES)
    rows = {
        cells[1]: cells[2:-1]
        for cells in ([cell.strip() for cell in row.split("|")] for row in made.split("\n"))
        if len(cells) > 2
    }
    assert rows["workers"] == ["200"]
    assert rows["together"] == ["308"]
    second = {name: cells[1] for name, cells in rows.items() if len(cells) == 3}
    assert second["messages a second"] == "10,000"
    assert second["worker processes"] == "3"  # 10,000 x 200 us / 0.8 = 2.5
    assert second["cores for workers"] == "2.0"
    assert second["cores for PostgreSQL"] == "1.0"
    assert second["in flight at 100 ms"] == "1,000"
    assert second["`send_window` of each worker"] == "334"
    assert second["connections of clients"] == "14"
    assert second["memory of workers"] == "0.5 GB"
    assert second["rows an hour, reckoned from 570 bytes a row"] == "20.5 GB"
    assert second["WAL a second, reckoned as 3 times the rows"] == "17.1 MB"


def test_the_page_says_at_what_sizes_its_figures_were_taken() -> None:
    tool = load("capacity_table")
    made = tool.tables(LINES)
    assert "on 2 cores, PostgreSQL 18.4, Python 3.11.7, with `QUICK=1`:" in made
    assert "| `cost_1m_vs_10k` | 100,000 recipients against 10,000 | 0.996 × |" in made
    log = "8,000 recipients, a log of 200,000 rows against an empty one"
    assert f"| `cost_on_10m_rows` | {log} | 1.071 × |" in made
    whole = [LINES[0], line("broadcast_push_per_s", 2_600.0, **{**SENT, "quick": False}), LINES[2]]
    assert "QUICK" not in tool.tables(whole)
    assert tool.tables(whole).count("| not measured in this run |  |") == 2


def test_without_a_broadcast_there_is_nothing_to_reckon_with() -> None:
    with pytest.raises(KeyError):
        load("capacity_table").tables(LINES[:1])


@pytest.mark.parametrize(("name", "page"), [("capacity_table", "docs/capacity.md"), ("bench_table", "README.md")])
def test_the_page_has_both_marks_once(name: str, page: str) -> None:
    tool, text = load(name), (ROOT / page).read_text(encoding="utf-8")
    assert text.count(tool.BEGIN) == text.count(tool.END) == 1


def test_what_was_made_before_is_replaced() -> None:
    tool = load("bench_table")
    text = f"a\n{tool.BEGIN}\nold\n{tool.END}\nb\n"
    assert tool.put(text, "new\n") == f"a\n{tool.BEGIN}\nnew\n{tool.END}\nb\n"
