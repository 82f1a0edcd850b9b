"""The judge of digests objects to what it must object to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.digest_judge import Letter, Verdict, judge

ASKED = ("a", "b", "c", "d", "e")
FIRST = Letter("12:00", ("c", "d"), (2,))
SECOND = Letter("13:00", ("e",), (1,))


def found(taken: tuple[str, ...] = ("a", "b"), *letters: Letter, flagged: tuple[str, ...] = ()) -> Verdict:
    return judge(ASKED, taken, letters or (FIRST, SECOND), flagged, most=2)


def test_each_by_itself_or_in_one_digest_is_well() -> None:
    verdict = found()
    assert verdict.clean
    assert (verdict.alone, verdict.copies) == (2, 0)


def test_what_neither_went_out_nor_is_in_a_digest_is_lost() -> None:
    verdict = found(("a", "b"), FIRST)
    assert list(verdict.lost) == ["e"]
    assert not verdict.clean


def test_what_is_in_a_digest_that_the_provider_never_took_is_lost() -> None:
    assert list(found(("a", "b"), FIRST, replace(SECOND, said=())).lost) == ["e"]


def test_a_second_copy_that_nobody_flagged_is_seen() -> None:
    verdict = found(("a", "b", "b"))
    assert (list(verdict.unflagged), verdict.copies) == (["b"], 1)
    assert not verdict.clean


def test_a_second_copy_that_is_flagged_is_counted() -> None:
    verdict = found(("a", "b", "b"), flagged=("b",))
    assert verdict.clean
    assert verdict.copies == 1


@pytest.mark.parametrize(("flag", "seen"), [(False, ["13:00"]), (True, [])])
def test_a_digest_that_was_taken_twice_has_to_be_flagged(flag: bool, seen: list[str]) -> None:
    verdict = found(("a", "b"), FIRST, replace(SECOND, said=(1, 1), flagged=flag))
    assert (list(verdict.unflagged), verdict.copies) == (seen, 1)


@pytest.mark.parametrize(("taken", "beyond"), [(("a", "b", "c"), 1), (("a",), -1)])
def test_more_or_fewer_than_the_throttle_allows_is_seen(taken: tuple[str, ...], beyond: int) -> None:
    rest = tuple(name for name in ASKED if name not in taken)
    verdict = found(taken, Letter("12:00", rest, (len(rest),)))
    assert verdict.beyond == beyond
    assert not verdict.clean


def test_what_went_out_by_itself_and_is_in_a_digest_too_is_seen() -> None:
    assert list(found(("a", "b"), Letter("12:00", ("b", "c", "d", "e"), (4,))).both) == ["b"]


def test_what_is_in_two_digests_is_seen() -> None:
    assert list(found(("a", "b"), FIRST, Letter("13:00", ("d", "e"), (2,))).in_several) == ["d"]


def test_two_digests_of_one_window_are_seen() -> None:
    assert list(found(("a", "b"), FIRST, replace(SECOND, window="12:00")).crowded) == ["12:00"]


def test_a_digest_whose_words_speak_of_another_number_is_seen() -> None:
    assert list(found(("a", "b"), FIRST, replace(SECOND, said=(2,))).miscounted) == ["13:00"]


def test_what_nobody_asked_for_is_seen() -> None:
    assert list(found(("a", "x"), Letter("12:00", ("b", "c", "d", "e"), (4,))).unasked) == ["x"]
