"""The crash points themselves, the judge of a round, and a few crashes of every target."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.every_point_crash import LANES, crash
from tests.ground.figures import Run

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.long
def test_a_few_crashes_of_every_target_lose_and_silently_repeat_nothing(tmp_path: Path) -> None:
    figure = crash(Run(tmp_path / "run", 7, quick=True), LANES, 97)
    assert figure.passed, figure.detail
    tried = figure.detail["points tried by kind"]
    assert isinstance(tried, dict)
    assert {kind.split()[1] for kind in tried} >= {"database", "redis"}


CRASHING = """
import os, sys
from tests.chaos.crash_points import Crash
crash = Crash(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 3, 9)
for name in "abcde":
    crash("before", "database", name)
"""


def test_a_process_dies_at_the_point_that_was_chosen_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "points.log"
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", CRASHING, str(log)], cwd=ROOT, env=env, check=False)
    assert done.returncode == -9
    assert log.read_text().splitlines() == [f"before database {name}" for name in "abc"]


class _Row:
    def __init__(self, *, flagged: bool = False, state: str = "sent", reason: str = "") -> None:
        self.pk = "some-delivery"
        self.possible_duplicate = flagged
        self.state, self.reason = state, reason


@pytest.mark.parametrize(
    ("flagged", "times", "never", "in_doubt", "wrong"),
    [
        (True, 2, False, True, []),
        (False, 2, False, True, ["in silence"]),
        (True, 2, False, False, ["although its first send was recorded"]),
        (True, 2, True, True, ["where it must be once"]),
        (True, 3, False, True, ["taken 3 times"]),
    ],
)
def test_a_second_send_is_borne_only_in_doubt_and_flagged(
    flagged: bool, times: int, never: bool, in_doubt: bool, wrong: list[str]
) -> None:
    from tests.chaos.crash_rounds import _wrong_with_twice  # noqa: PLC0415 - it needs Django's settings

    row: Any = _Row(flagged=flagged)
    found = list(_wrong_with_twice(row, times, never, in_doubt))
    assert len(found) == len(wrong)
    assert all(part in text for part, text in zip(wrong, found, strict=True))


@pytest.mark.parametrize(
    ("times", "state", "reason", "wrong"),
    [
        (0, "failed", "refused", 0),
        (0, "cancelled", "fallback", 0),
        (1, "failed", "refused", 1),
        (0, "sent", "", 1),
        (0, "pending", "new", 1),
        (1, "uncertain", "lease_expired", 2),
    ],
)
def test_what_a_provider_refuses_ends_unsent_and_for_a_reason(times: int, state: str, reason: str, wrong: int) -> None:
    from tests.chaos.crash_rounds import _wrong_with_refused  # noqa: PLC0415 - it needs Django's settings

    row: Any = _Row(state=state, reason=reason)
    assert len(list(_wrong_with_refused(row, times))) == wrong
