"""Scenarios object to runs in which what they are about never happened, or came too late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos import outage_recovery, postgres_killed, valkey_down, valkey_emptied
from tests.chaos.postgres_killed import Killed

BEGAN, WELL, SLOWED = 100.0, 105.0, 110.0
OPEN = [(101.0, 104.0)]
MOMENTS = (101.0, 107.0, SLOWED, 113.0)


def refusal(at: float, status: int) -> dict[str, Any]:
    return {"at": datetime.fromtimestamp(at, UTC).isoformat(), "status": status, "delivery": "a"}


REFUSED = (refusal(101.0, 503), refusal(SLOWED, 429))


def test_an_outage_a_breaker_that_opened_and_a_provider_that_slowed_down_can_be_judged() -> None:
    assert outage_recovery.not_met(OPEN, REFUSED, MOMENTS, BEGAN, WELL) == []


@pytest.mark.parametrize("opened", [[], [(101.0, 101.1)]])
def test_a_breaker_that_was_never_seen_open_is_seen(opened: list[tuple[float, float]]) -> None:
    (told,) = outage_recovery.not_met(opened, REFUSED, MOMENTS, BEGAN, WELL)
    assert "never seen open" in told


@pytest.mark.parametrize(
    ("refused", "moments", "told"),
    [
        (REFUSED[:1], MOMENTS, "no request was told to slow down"),
        (REFUSED[1:], MOMENTS, "no request was refused in the outage"),
        (REFUSED, MOMENTS[:3], "no request came after"),
    ],
)
def test_a_fault_that_met_no_request_is_seen(
    refused: tuple[dict[str, Any], ...], moments: tuple[float, ...], told: str
) -> None:
    (found,) = outage_recovery.not_met(OPEN, refused, moments, BEGAN, WELL)
    assert told in found


def windows(**changed: object) -> dict[str, dict[str, object]]:
    well: dict[str, object] = {"statuses": {202: 60}, "p99_s": 0.1}
    return {"as usual": well, "down": well, "hung": {**well, **changed}}


def test_requests_that_are_answered_as_ever_and_workers_that_are_soon_back_are_well() -> None:
    assert valkey_down.objections(windows(), [3.0, 9.9], [20.0, 41.0]) == []


@pytest.mark.parametrize("wrong", [{"statuses": {202: 59, 503: 1}}, {"statuses": {}}, {"p99_s": 0.6}])
def test_an_answer_that_was_late_or_none_is_seen(wrong: dict[str, object]) -> None:
    assert len(valkey_down.objections(windows(**wrong), [3.0], [20.0])) == 1


@pytest.mark.parametrize(("back", "gone"), [([3.0, 11.0], [20.0, 20.0]), ([3.0, 3.0], [20.0, 999.0])])
def test_workers_that_are_not_back_or_do_not_get_through_the_backlog_are_seen(
    back: list[float], gone: list[float]
) -> None:
    assert len(valkey_down.objections(windows(), back, gone)) == 1


def emptied(waiting: float, first: float | None) -> list[dict[str, float | None]]:
    return [{"waiting": 1_000, "first_accept_after_s": 0.5}, {"waiting": waiting, "first_accept_after_s": first}]


@pytest.mark.parametrize(
    ("waiting", "first", "wrong"), [(800, 9.0, 0), (799, 9.0, 1), (800, 11.0, 1), (800, None, 1), (0, None, 2)]
)
def test_an_emptying_of_too_little_or_one_that_stopped_the_sending_is_seen(
    waiting: float, first: float | None, wrong: int
) -> None:
    assert len(valkey_emptied.objections(emptied(waiting, first), 800)) == wrong


@pytest.mark.parametrize(
    ("in_mid_send", "kept", "under_load", "wrong"),
    [(20, 9, True, 0), (19, 9, True, 1), (20, 8, True, 1), (20, 9, False, 1)],
)
def test_kills_that_met_nothing_in_flight_or_lost_its_results_are_seen(
    in_mid_send: int, kept: int, under_load: bool, wrong: int
) -> None:
    killed = Killed({str(number) for number in range(10)}, kills=20, in_mid_send=in_mid_send)
    assert len(postgres_killed.objections(killed, kept, 20, under_load=under_load)) == wrong
