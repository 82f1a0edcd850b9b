"""`QUICK=1` runs every scenario in exactly one lane, and nothing beside the one whose answers are timed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.lanes import ALONE, QUICK_LANES, finished, lanes_of
from tests.chaos.registry import SCENARIOS


def test_every_scenario_has_its_place_in_one_lane() -> None:
    placed = [name for lane in QUICK_LANES for name in lane]
    assert sorted(placed) == sorted(SCENARIOS)
    assert lanes_of(list(SCENARIOS)) == [list(lane) for lane in QUICK_LANES]


def test_what_was_asked_for_is_run_and_nothing_else() -> None:
    assert lanes_of(["breaker", "kill_loop", "one of your own"]) == [["kill_loop", "one of your own"], ["breaker"]]
    assert lanes_of(["breaker", "rq_faults"]) == [["breaker", "rq_faults"]]


def test_what_must_be_alone_comes_first_of_all() -> None:
    assert QUICK_LANES[0][0] == ALONE


def test_a_lane_says_which_scenarios_have_ended(tmp_path: Path) -> None:
    assert finished(tmp_path) == set()
    (tmp_path / "chaos.json").write_text(json.dumps([{"name": "machine"}, {"name": ALONE}]))
    assert finished(tmp_path) == {"machine", ALONE}
