"""The killer leaves no kind out by chance, and judges by what each victim had in its hands."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tests.chaos.killer import Kill, Killer

HELD, RECORDED = UUID(int=1), UUID(int=2)
KINDS = {"worker": 50, "sender": 1, "leader": 1}
TOOK_OVER = "WARNING took over claim 7 of a-host:41:1690000000: 1 rows"


def killer(folder: Path, taken: Sequence[UUID], *, kills: int = 2, doubted: Sequence[UUID] = ()) -> Killer:
    deployment: Any = SimpleNamespace(
        stack=SimpleNamespace(folder=folder),
        accepted=lambda: [SimpleNamespace(delivery=str(key)) for key in taken],
        database=SimpleNamespace(rows=lambda _: [(str(key),) for key in doubted]),
    )
    made = Killer(deployment, random.Random(7), kills=kills, every=1.0, kinds=KINDS)
    made.kills = [
        Kill("worker", 40, 0.0, [(HELD, "a")], pids=[40]),
        Kill("leader", 42, 0.0, [(UUID(int=3), "c"), (UUID(int=4), "d")], pids=[42]),
    ]
    return made


def test_a_second_copy_of_what_a_victim_held_is_well(tmp_path: Path) -> None:
    assert killer(tmp_path, [HELD, HELD, RECORDED]).objections() == []


def test_a_second_copy_of_what_no_victim_held_is_seen_though_more_was_held_than_doubled(tmp_path: Path) -> None:
    (told,) = killer(tmp_path, [HELD, RECORDED, RECORDED]).objections()
    assert str(RECORDED) in told


def test_a_doubt_is_an_excuse_only_if_a_living_worker_lost_its_lease(tmp_path: Path) -> None:
    made = killer(tmp_path, [RECORDED, RECORDED], doubted=[RECORDED])
    assert len(made.objections()) == 1
    (tmp_path / "worker-1.log").write_text(TOOK_OVER)
    assert made.objections() == []
    made.kills[0] = Kill("worker", 41, 0.0, pids=[41])
    assert len(made.objections()) == 1


def test_too_few_kills_and_kills_that_nobody_saw_are_seen(tmp_path: Path) -> None:
    made = killer(tmp_path, [], kills=3)
    assert len(made.objections()) == 2
    assert len(made.objections([Kill("sender", 43, 0.0)])) == 0
    assert len(made.objections([Kill("sender", 43, 0.0, unread=True)])) == 1


def test_the_first_victims_are_each_of_another_kind(tmp_path: Path) -> None:
    made = killer(tmp_path, [])
    made.kills = []
    for _ in KINDS:
        made.kills.append(Kill(made._kind(), 0, 0.0))
    assert {kill.kind for kill in made.kills} == set(KINDS)
