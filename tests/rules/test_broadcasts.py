"""The rules of broadcasts: isolation of poison, ramp, shares of the backlog, and when one must stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from notifications.rules.excess import Judged, excess
from notifications.rules.isolation import is_shared, most_left_out, next_try
from notifications.rules.ramp import Page, ahead, behind, caught_up, next_page, planned_from
from notifications.rules.sharing import by_turns, quota, room_for

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("tried", "most"), [(1, 10), (100, 10), (109, 10), (110, 11), (1000, 100)])
def test_how_many_may_be_left_out(tried: int, most: int) -> None:
    assert most_left_out(tried) == most


@pytest.mark.parametrize(
    ("failed", "tried", "others_fine", "shared"),
    [
        pytest.param(1, 1000, False, False, id="one of many"),
        pytest.param(100, 1000, False, False, id="a tenth"),
        pytest.param(101, 1000, True, True, id="more than a tenth"),
        pytest.param(1, 1, True, False, id="one alone, while its neighbours are fine"),
        pytest.param(1, 1, False, True, id="one alone, and nobody can be planned"),
        pytest.param(10, 10, True, False, id="a few, while others are fine"),
        pytest.param(11, 11, True, True, id="a whole page"),
    ],
)
def test_whose_failure_it_is(failed: int, tried: int, others_fine: bool, shared: bool) -> None:
    assert is_shared(failed, tried, others_fine=others_fine) is shared


@pytest.mark.parametrize(("failures", "seconds"), [(0, 2), (1, 2), (2, 4), (4, 16)])
def test_each_further_try_waits_longer(failures: int, seconds: int) -> None:
    assert next_try(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("members", "rate", "minutes", "size", "due"),
    [
        pytest.param(0, None, None, 1000, 0, id="as fast as can be"),
        pytest.param(5000, None, None, 1000, 0, id="as fast as can be, later"),
        pytest.param(0, 50, None, 50, 0, id="at a rate"),
        pytest.param(125, 50, None, 50, 2.5, id="at a rate, later"),
        pytest.param(0, 5000, None, 1000, 0, id="a page is never larger than the largest"),
        pytest.param(0, None, 10, 100, 0, id="a ramp begins with a hundred"),
        pytest.param(60, None, 10, 40, 36, id="the rest of the first minute"),
        pytest.param(100, None, 10, 200, 60, id="twice as many in the second minute"),
        pytest.param(300, None, 10, 400, 120, id="and in the third"),
        pytest.param(1500, None, 10, 1000, 240, id="a minute larger than a page"),
        pytest.param(2500, None, 10, 600, 277.5, id="its rest"),
        pytest.param(102_300, None, 10, 1000, 600, id="the ramp is over"),
        pytest.param(300, None, 2, 1000, 120, id="a short ramp is over"),
        pytest.param(999_000, None, 2, 1000, 120, id="and stays over"),
        pytest.param(0, 10, 10, 10, 0, id="a ramp below a rate"),
        pytest.param(50, 10, 10, 10, 30, id="spread over its minute"),
        pytest.param(700, 10, 10, 10, 180, id="the rate is reached"),
        pytest.param(710, 10, 10, 10, 181, id="and kept"),
        pytest.param(0, 1, 10, 1, 0, id="a rate below the ramp's beginning"),
        pytest.param(7, 1, 10, 1, 7, id="and that only"),
        pytest.param(0, 2, 10, 2, 0, id="a rate just above the ramp's beginning"),
        pytest.param(100, 2, 10, 2, 60, id="is reached in a minute"),
        pytest.param(300, 10, 1, 10, 80, id="the ramp ends before the rate is reached"),
    ],
)
def test_the_next_page(members: int, rate: int | None, minutes: int | None, size: int, due: float) -> None:
    page = next_page(members, 1000, rate, minutes)
    assert (page.size, page.due_after.total_seconds()) == (size, due)


@pytest.mark.parametrize(
    ("members", "rate", "minutes", "speed"),
    [
        pytest.param(0, None, None, None, id="as fast as can be"),
        pytest.param(7, 50, None, 50, id="at a rate"),
        pytest.param(0, None, 10, 100 / 60, id="a ramp's first minute"),
        pytest.param(300, None, 10, 400 / 60, id="its third"),
        pytest.param(300, None, 2, None, id="a ramp that is over"),
        pytest.param(50, 10, 10, 100 / 60, id="a ramp below a rate"),
        pytest.param(700, 10, 10, 10, id="the rate is reached"),
    ],
)
def test_how_fast_it_goes_by_then(members: int, rate: int | None, minutes: int | None, speed: float | None) -> None:
    assert next_page(members, 1000, rate, minutes).per_second == speed


def test_a_ramp_of_any_length_only_ever_goes_on() -> None:
    for rate in (None, 1, 7, 100, 5000):
        members, due = 0, timedelta()
        while members < 200_000 and due < timedelta(hours=2):
            page = next_page(members, 1000, rate, 12)
            assert page.size > 0
            assert page.due_after >= due
            members, due = members + page.size, page.due_after


@pytest.mark.parametrize(("due", "since", "moved"), [(10, 10, 0), (10, 12, 0), (10, 15, 0), (10, 16, 6), (10, 0, 0)])
def test_what_was_held_up_does_not_burst_out(due: int, since: int, moved: int) -> None:
    found = caught_up(timedelta(seconds=due), timedelta(seconds=since), timedelta(seconds=5))
    assert found == timedelta(seconds=moved)


@pytest.mark.parametrize(("due", "again"), [(-9, None), (0, None), (60, None), (61, 31), (600, 570)])
def test_how_far_ahead_it_is_planned(due: int, again: int | None) -> None:
    found = planned_from(NOW + timedelta(seconds=due), NOW)
    assert found == (None if again is None else NOW + timedelta(seconds=again))


@pytest.mark.parametrize(
    ("speed", "began", "slots", "moved"),
    [
        pytest.param(2, -10, [0, 0.5, 1], 1.5 - 10, id="its slot is now"),
        pytest.param(2, -100, [0, 0.5, 1], 1.5 - 10, id="its slot has gone by"),
        pytest.param(2, 0, [10, 10.5, 11], 1.5, id="its slot is to come"),
        pytest.param(None, -100, [0, 0, 0], -10, id="as fast as can be"),
    ],
)
def test_what_was_parked_takes_the_next_slots(
    speed: float | None, began: int, slots: list[float], moved: float
) -> None:
    page = Page(1000, timedelta(seconds=10), speed)
    found, start = behind(page, NOW + timedelta(seconds=began), NOW, 3)
    assert [(at - NOW).total_seconds() for at in found] == slots
    assert (start - NOW).total_seconds() == moved
    assert start + page.due_after >= found[-1]


@pytest.mark.parametrize(
    ("own", "due", "sharing", "room"),
    [
        pytest.param(0, 0, 1, 100, id="nothing is due"),
        pytest.param(99, 99, 1, 1, id="below the limit"),
        pytest.param(100, 100, 1, 0, id="at the limit"),
        pytest.param(49, 149, 2, 1, id="below a half, while another has all"),
        pytest.param(50, 50, 2, 0, id="at a half"),
        pytest.param(0, 199, 3, 33, id="others have much"),
        pytest.param(0, 200, 3, 0, id="the channel is full"),
        pytest.param(None, 99, 1, 1, id="alone, below the limit"),
        pytest.param(None, 100, 1, 0, id="alone, at the limit"),
        pytest.param(None, 0, 2, 100, id="not counted"),
        pytest.param(None, 100, 2, 0, id="not counted, at the limit"),
        pytest.param(0, 100, 1, 0, id="alone, others have all"),
        pytest.param(0, 0, 500, 1, id="a share of less than one is one"),
        pytest.param(1, 1, 500, 0, id="and no more"),
    ],
)
def test_whether_there_is_room(own: int | None, due: int, sharing: int, room: int) -> None:
    assert room_for(own, due, sharing, 100) == room


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        pytest.param(Judged(499, 499), "", id="too few to judge"),
        pytest.param(Judged(0, 0), "", id="none"),
        pytest.param(Judged(500, 100), "", id="at the limit"),
        pytest.param(Judged(500, 101), "101 of 500 failed (20.2%; the limit is 20.0%)", id="beyond it"),
        pytest.param(Judged(1000, 0, 4), "", id="few complaints"),
        pytest.param(Judged(2000, 0, 6), "", id="at the limit of complaints"),
        pytest.param(
            Judged(1600, 0, 5), "5 of 1,600 were complained of (0.3%; the limit is 0.3%)", id="too many complaints"
        ),
    ],
)
def test_what_is_too_much(counts: Judged, told: str) -> None:
    assert excess(counts, 0.2, 0.003, 500) == told


def test_a_limit_may_be_switched_off() -> None:
    assert excess(Judged(1000, 1000, 0), None, 0.003, 500) == ""
    assert excess(Judged(1000, 0, 1000), 0.2, None, 500) == ""
    assert excess(Judged(0, 1, 0), 0.2, 0.2, 0) == ""  # a replay took back what was tried


def test_only_what_came_since_is_judged() -> None:
    assert Judged(10, 5, 3).since(Judged(4, 5, 1)) == Judged(6, 0, 2)
    assert Judged(1, 1, 1).since(Judged(2, 2, 2)) == Judged()


class Row(NamedTuple):
    pk: int
    client: int | None
    due_at: int


@pytest.mark.parametrize(("most", "parties", "each"), [(500, 2, 250), (500, 3, 167), (64, 200, 1), (1, 1, 1)])
def test_each_party_may_count_on_its_part_of_a_claim(most: int, parties: int, each: int) -> None:
    assert quota(most, parties) == each


@pytest.mark.parametrize(
    ("of_others", "taken"),
    [
        ([], [0, 1, 2, 3, 4, 5, 6, 7]),
        ([100], [0, 100, 1, 2, 3, 4, 5, 6]),
        ([100, 101, 102, 103, 104], [0, 100, 1, 101, 2, 102, 3, 103]),
    ],
)
def test_clients_take_turns(of_others: list[int], taken: list[int]) -> None:
    much = [Row(number, 1, number) for number in range(8)]
    few = [Row(number, 2, number) for number in of_others]
    assert [row.pk for row in by_turns(much, [*much[:4], *few], 8)] == taken  # type: ignore[type-var]


def test_a_quarter_goes_by_age_however_many_take_turns() -> None:
    old = [Row(number, None, number) for number in range(8)]
    many = [Row(100 + client, client, 100) for client in range(20)]
    assert [row.pk for row in by_turns(old, many, 8) if row.client is None] == [0, 1]  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("per_second", "wanted"),
    [
        pytest.param(None, 1_000, id="as fast as can be: a page"),
        pytest.param(2.0, 120, id="a minute's worth"),
        pytest.param(17.0, 1_000, id="never more than a page"),
        pytest.param(1 / 120, 1, id="never nobody"),
    ],
)
def test_as_many_are_given_slots_at_a_time_as_go_out_while_pages_are_planned_ahead(
    per_second: float | None, wanted: int
) -> None:
    assert ahead(Page(1, timedelta(), per_second), 1_000) == wanted
