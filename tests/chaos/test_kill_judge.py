"""The judge of kills objects to a run with too few of them, and to second copies that no kill explains."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.chaos.checker import Outcome, judge
from tests.chaos.kill_judge import objections, stalled, too_few, unexplained

KINDS = ("worker", "leader", "sender")
TOOK_OVER = "12:00:01 WARNING notifications.sweep pid=3 took over claim 7 of a-host:41:1690000000: 5 rows\n"


def found(struck: Mapping[str, int], *, wanted: int = 4, unread: int = 0, repeats: tuple[str, ...] = ()) -> list[str]:
    return objections(struck=struck, kinds=KINDS, wanted=wanted, unread=unread, repeats=repeats)


def test_as_many_kills_as_wanted_of_every_kind_are_well() -> None:
    assert found({"worker": 2, "leader": 1, "sender": 1}) == []


def test_a_killer_that_stopped_early_is_seen() -> None:
    assert found({"worker": 1, "leader": 1, "sender": 1}) == ["3 kills, where 4 were wanted"]
    assert len(found({})) == 2


def test_a_kind_that_was_never_killed_is_seen() -> None:
    assert found({"worker": 299, "leader": 1}, wanted=300) == ["never killed: sender"]


@pytest.mark.parametrize(("struck", "well"), [({"worker": 1, "leader": 1}, True), ({"worker": 2}, False)])
def test_of_fewer_kills_than_kinds_each_is_of_another_kind(struck: Mapping[str, int], well: bool) -> None:
    assert (not too_few(struck, KINDS, 2)) == well


def test_a_kill_after_which_nobody_looked_is_seen() -> None:
    assert len(found({"worker": 2, "leader": 1, "sender": 1}, unread=1)) == 1


def test_a_second_copy_of_what_a_victim_had_in_its_hands_is_well() -> None:
    assert unexplained(["a", "b", "b"], {"b", "c"}) == []


def test_a_second_copy_of_what_was_recorded_is_seen_however_many_were_held() -> None:
    repeats = unexplained(["a", "b", "b"], {"a", "c", "d", "e"})
    assert repeats == ["b"]
    assert len(found({"worker": 2, "leader": 1, "sender": 1}, repeats=tuple(repeats))) == 1


def test_so_many_as_a_living_worker_was_too_slow_for_are_passed_over_if_they_were_in_doubt() -> None:
    twice = ["a", "a", "b", "b"]
    assert unexplained(twice, (), doubted={"a", "b"}, too_slow=1) == ["b"]
    assert unexplained(twice, (), doubted={"b"}, too_slow=9) == ["a"]
    assert unexplained(twice, (), doubted={"a", "b"}) == ["a", "b"]


def test_only_a_worker_that_nobody_killed_was_too_slow() -> None:
    assert stalled([TOOK_OVER], killed=()) == 5
    assert stalled([TOOK_OVER], killed={41}) == 0


@pytest.mark.parametrize(("expired", "sound"), [(2, True), (3, False), (300, False)])
def test_a_run_in_which_many_messages_end_otherwise_is_no_proof(expired: int, sound: bool) -> None:
    book = [str(number) for number in range(300 if expired > 3 else 200)]
    told = {to: [Outcome("expired", "ttl") if int(to) < expired else Outcome("sent")] for to in book}
    verdict = judge(book, book[expired:], told)
    assert verdict.clean
    assert verdict.sound == sound


def test_a_run_without_messages_is_no_proof() -> None:
    assert not judge([], [], {}).sound
