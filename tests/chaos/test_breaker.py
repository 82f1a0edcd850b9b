"""The breaker under several processes, and its judge, which must be able to say no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.breaker import run
from tests.chaos.breaker_callers import LIFE, Diary, Shared
from tests.chaos.breaker_oracle import is_false, judge, most_at_once, read
from tests.ground.figures import Run


@pytest.mark.long
def test_eight_processes_share_one_breaker_without_a_second_probe_or_a_false_close(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (figure,) = run(Run(folder, 7, quick=True))
    assert figure.passed, figure.detail
    assert figure.detail["the judge can fail"]


def probe(began: float, ended: float, life: int = 0) -> dict[str, Any]:
    return {"event": "probe", "began": began, "ended": ended, "life": life, "answer": "good"}


def close(began: float, before: float, **other: Any) -> dict[str, Any]:
    made = {"event": "closed", "began": began, "before": before, "after": before + 0.1, "life": 0}
    return {**made, "probe": True, "answer": "good", **other}


def opening(before: float, after: float) -> dict[str, Any]:
    return {"event": "open", "before": before, "after": after, "life": 0}


def test_the_judge_counts_probes_that_overlap_within_one_life_of_redis() -> None:
    assert most_at_once([probe(0, 1), probe(1, 2), probe(3, 4)]) == 1
    assert most_at_once([probe(0, 2), probe(1, 3)]) == 2
    verdict = judge([probe(0, 2, life=0), probe(1, 3, life=2), probe(0, 9, life=-1)])
    assert (verdict.most_probes, verdict.unsure) == (1, 1)


def test_the_judge_knows_a_stale_success_from_a_fresh_one() -> None:
    assert not is_false(close(began=2, before=3), [opening(0, 1)])
    assert is_false(close(began=0, before=3), [opening(1, 2)])
    assert is_false(close(began=2, before=3, probe=False), [opening(0, 1)])
    assert is_false(close(began=2, before=3, answer="bad"), [opening(0, 1)])


def test_what_an_emptied_redis_closed_is_not_put_down_to_the_call_that_found_it_empty(tmp_path: Path) -> None:
    shared = Shared()
    diary = Diary(tmp_path, shared)
    diary.doing = {"began": 0.0, "before": 1.0, "probe": True, "answer": "bad", "life": 0}
    diary.transition("closed")
    assert judge(read(tmp_path)).false_closes == 1
    shared.put(LIFE, 2)
    diary.transition("closed")
    verdict = judge(read(tmp_path))
    assert (verdict.false_closes, verdict.unsure) == (1, 1)
