"""Support finds a sentence for everything that can happen."""

from __future__ import annotations

import pytest

from notifications.enums import Reason, State
from notifications.rules.explanations import explain

# Every pair that a rule or flow can lead to, state by state.
POSSIBLE: dict[State, set[Reason]] = {
    State.PENDING: {
        Reason.NEW, Reason.RETRY, Reason.QUIET_HOURS, Reason.SCHEDULED, Reason.THROTTLED, Reason.BREAKER_OPEN,
        Reason.PACED, Reason.PAUSED,
    },
    State.SENDING: {Reason.NONE},
    State.SENT: {Reason.NONE},
    State.DELIVERED: {Reason.NONE},
    State.OPENED: {Reason.NONE},
    State.CLICKED: {Reason.NONE},
    State.BOUNCED: {Reason.NONE},
    State.COMPLAINED: {Reason.NONE},
    State.FAILED: {Reason.INVALID_RECIPIENT, Reason.REFUSED},
    State.DEAD: {
        Reason.RETRIES_EXHAUSTED, Reason.WORKER_DIED, Reason.HELD, Reason.MISCONFIGURED, Reason.RENDER_ERROR,
        Reason.NO_ROUTE,
    },
    State.UNCERTAIN: {Reason.LEASE_EXPIRED, Reason.NO_ANSWER},
    State.DIGESTED: {Reason.NONE},
    State.SKIPPED: {
        Reason.PREFERENCE, Reason.SUPPRESSION, Reason.NO_ADDRESS, Reason.DEVICE_GONE, Reason.NO_TEMPLATE,
        Reason.NO_VARIABLE, Reason.GUEST_LIST, Reason.REPLACED, Reason.LIMIT,
    },
    State.EXPIRED: {Reason.TTL},
    State.CANCELLED: {Reason.NONE, Reason.FALLBACK},
}  # fmt: skip
PAIRS = [(state, reason) for state, reasons in POSSIBLE.items() for reason in sorted(reasons)]
# A state that says it all needs no sentence for its reason.
PLAIN = {(state, Reason.NONE) for state in State} | {(State.EXPIRED, Reason.TTL)}


def test_every_state_and_every_reason_is_possible() -> None:
    assert set(POSSIBLE) == set(State)
    assert set().union(*POSSIBLE.values()) == set(Reason)


@pytest.mark.parametrize(("state", "reason"), PAIRS)
def test_it_is_explained_by_a_sentence(state: State, reason: Reason) -> None:
    told = explain(state, reason)
    assert told.endswith(".")
    assert 10 < len(told) < 120
    assert told[0].isupper()


def test_no_two_say_the_same() -> None:
    assert len({explain(*pair) for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize(("state", "reason"), [pair for pair in PAIRS if pair not in PLAIN])
def test_a_reason_says_more_than_its_state(state: State, reason: Reason) -> None:
    assert explain(state, reason) != explain(state, Reason.NONE)


def test_sent_does_not_claim_that_it_arrived() -> None:
    assert "not confirmed" in explain(State.SENT, Reason.NONE)
