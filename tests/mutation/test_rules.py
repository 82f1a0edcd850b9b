"""Turning round any condition of any rule fails one of the rules' own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .equivalent import EQUIVALENT
from .mutants import all_mutants, mutants_of

pytestmark = pytest.mark.xdist_group("mutation")  # one report for all of them
ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "mutation.json"
# The rules' tests reach neither: an address that nobody answers shows it, and spares the services.
NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}


def run(tests: str, report: Path, mutants: str = "") -> dict[str, Any]:
    """Return what became of each mutant when these tests were asked."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "tests.mutation.runner"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | NOWHERE
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, tests, f"--report={report}", f"--mutants={mutants}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert report.exists(), done.stdout[-4_000:] + done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(report.read_text())
    return found


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What became of each mutant."""
    return run("tests/rules", REPORT)


@pytest.mark.long
@pytest.mark.parametrize("rule", sorted({mutant.path.stem for mutant in all_mutants()}))
def test_a_changed_condition_fails_a_case(rule: str, report: dict[str, Any]) -> None:
    survivors = [mutant["name"] for mutant in report["mutants"] if not mutant["killer"]]
    survivors = [name for name in survivors if name.startswith(f"{rule}.")]
    assert [name for name in survivors if name not in EQUIVALENT] == []


@pytest.mark.long
def test_every_mutant_was_tried(report: dict[str, Any]) -> None:
    assert [mutant["name"] for mutant in report["mutants"]] == [mutant.name for mutant in all_mutants()]
    assert report["tests"] > 1_000


@pytest.mark.long
def test_a_condition_that_no_test_notices_is_found(tmp_path: Path) -> None:
    """Money's own tests hold its amounts, but say nothing of links; and one of them alone says little of money."""
    found = run("tests/rules/test_money.py::test_a_currency_must_be_one", tmp_path / "report.json", r"^(money|links)\.")
    killed = {mutant["name"] for mutant in found["mutants"] if mutant["killer"]}
    assert "money.money: not isinstance(currency, str) -> isinstance(currency, str)" not in killed
    assert "money.money: not _is_currency(str(currency)) -> _is_currency(str(currency))" in killed
    assert not any(name.startswith("links.") for name in killed)


def test_what_is_excused_is_still_there() -> None:
    assert set(EQUIVALENT) - {mutant.name for mutant in all_mutants()} == set()


@pytest.mark.parametrize(
    ("source", "mutated"),
    [
        pytest.param("a < b", ["a <= b", "a >= b"], id="an ordering: its boundary and its opposite"),
        pytest.param("a <= b < c", ["a < b < c", "a > b < c", "a <= b <= c", "a <= b >= c"], id="a chain: each link"),
        pytest.param("a == b", ["a != b"], id="equality"),
        pytest.param("a is not None", ["a is None"], id="identity"),
        pytest.param("a not in b", ["a in b"], id="membership"),
        pytest.param("a and b", ["a or b", "b", "a"], id="both, either, and each alone"),
        pytest.param("not a", ["a"], id="negation"),
        pytest.param("x if a else y", ["not a"], id="a plain condition"),
        pytest.param("[x for x in y if x]", ["not x"], id="a filter"),
        pytest.param("min(a)", ["max(a)"], id="the least"),
        pytest.param("f(a)", [], id="nothing to decide"),
    ],
)
def test_how_conditions_are_changed(source: str, mutated: list[str]) -> None:
    assert [mutant.now for mutant in mutants_of(Path("rule.py"), source)] == mutated


def test_a_changed_condition_changes_nothing_else() -> None:
    source = "def f(a):\n    return not a\n\nb = 1 if c else 2\n"
    *_, mutant = mutants_of(Path("rule.py"), source)
    assert mutant.scope == "(module)"
    assert mutant.code.co_consts[0] == compile(source, "rule.py", "exec", dont_inherit=True).co_consts[0]
