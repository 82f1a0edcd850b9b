"""The demo itself, as `make demo ONCE=1` runs it: all ten outcomes, twice; and each of them broken is told by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from project.demo.outcomes import OUTCOMES
from project.demo.stack import ROOT

# One at a time: each wants two cores, and they share the data of earlier runs, as a person's runs do.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("demo")]

Demo = Callable[..., "subprocess.CompletedProcess[str]"]
SECONDS = 240


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the demo on embedded services of these tests' own."""
    home = tmp_path_factory.mktemp("demo")
    own = {"CARILLON_SERVICES_DIR": str(home / "services"), "CARILLON_DEMO_DIR": str(home / "demo"), "ONCE": "1"}
    ours = {"DATABASE_URL", "REDIS_URL", "RESET"}
    plain = {name: value for name, value in os.environ.items() if name not in ours and not _of_settings(name)}

    def run(broken: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "project.demo"],
            cwd=ROOT,
            env={**plain, **own, "CARILLON_DEMO_BREAK": broken},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


def _of_settings(name: str) -> bool:
    """Whether tests.settings has put this variable into the environment."""
    return name.startswith(("DJANGO_", "FCM_", "TWILIO_", "POSTMARK_", "CARILLON_"))


@pytest.mark.parametrize("time", ["first", "second"])
def test_all_ten_outcomes_are_seen(demo: Demo, time: str) -> None:
    done = demo()
    assert done.returncode == 0, f"{time} run:\n{done.stdout}\n{done.stderr}"
    table = done.stdout.partition("What became of it")[2]
    assert [name for name in _names() if re.search(rf"seen +{name} ", table)] == _names()
    assert "All 10 outcomes were seen." in table
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", [outcome.name for outcome in OUTCOMES])
def test_an_outcome_that_fails_is_named(demo: Demo, name: str) -> None:
    done = demo(name)
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    assert f"1 of 10 outcomes not seen: {name}." in done.stdout, done.stdout


def test_an_unknown_outcome_cannot_be_broken(demo: Demo) -> None:
    done = demo("no such thing")
    assert done.returncode == 1
    assert "must be one of: login code" in done.stdout


def test_somebody_elses_database_is_not_emptied(tmp_path: Path) -> None:
    url = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "CARILLON_DEMO_DIR": str(tmp_path), "RESET": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "project.demo"],
        cwd=ROOT,
        env={**os.environ, **url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DATABASE_URL names yours" in done.stdout


def _names() -> list[str]:
    return [outcome.name for outcome in OUTCOMES]
