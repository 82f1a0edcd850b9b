"""What dead letters ask for, when another channel was faster, and whose turn comes when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.enums import Hint, Reason, Refusal, State
from notifications.rules.dead_letters import HINTS, Pace, hint, overtaken
from notifications.rules.explanations import BY_REASON, explain
from tests.rules.standings import NOW


def test_every_reason_of_a_dead_letter_has_a_hint_and_a_sentence_of_its_own() -> None:
    assert set(HINTS) == {reason for state, reason in BY_REASON if state == State.DEAD}
    sentences = {explain(State.DEAD, reason) for reason in HINTS}
    assert len(sentences) == len(HINTS)
    assert explain(State.DEAD, Reason.NONE) not in sentences
    assert all(hint(reason)[1] for reason in HINTS)


def test_what_has_expired_is_permanent_whatever_it_died_of() -> None:
    assert hint(Reason.RETRIES_EXHAUSTED)[0] == Hint.RETRY
    assert {hint(reason, all_expired=True)[0] for reason in HINTS} == {Hint.PERMANENT}


@pytest.mark.parametrize(
    ("step", "others", "verdict"),
    [
        (0, [], None),
        (0, [(0, State.DELIVERED)], None),
        (0, [(1, State.DELIVERED)], Refusal.REACHED),
        (0, [(1, State.SENT)], Refusal.REACHED),
        (0, [(1, State.PENDING)], Refusal.TRYING),
        (0, [(1, State.UNCERTAIN), (2, State.SENT)], Refusal.REACHED),
        (0, [(1, State.FAILED)], None),
        (0, [(1, State.DEAD)], None),
        (1, [(0, State.SENT)], None),
        (1, [(0, State.OPENED)], Refusal.REACHED),
        (1, [(0, State.PENDING)], None),
    ],
)
def test_another_channel_was_faster(step: int, others: list[tuple[int, State]], verdict: Refusal | None) -> None:
    assert overtaken(step, others) == verdict


def test_turns_come_one_after_the_other() -> None:
    pace = Pace(50, NOW)
    turns = []
    for _ in range(51):
        turns.append(pace.turn())
        pace.take()
    assert turns[0] == NOW
    assert turns[50] - turns[0] == timedelta(seconds=1)
    at_once = Pace(0, NOW)
    at_once.take()
    assert at_once.turn() == NOW
