"""What follows from each kind of answer, for a first attempt and for later ones."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.enums import Channel, Reason, State
from notifications.exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.rules.outcomes import MISCONFIGURED_WAIT, after_send, exhausted
from notifications.rules.retries import RATE_LIMITED, RATE_LIMITED_AT_LEAST, USUAL
from notifications.rules.standing import Standing
from notifications.rules.transitions import ALLOWED, lost, unsettled
from tests.rules.standings import NOW, at

WAIT = timedelta(seconds=15)
TOOK = None
REFUSED = TemporaryFailure("one", "425", "later")
FAULT = TemporaryFailure("one", "503", "a fault", maybe_sent=True)
SLOWER = RateLimited("one", "429", "slower")
AWAY = ProviderUnavailable("one", "refused", "away")
MISCONFIGURED = ProviderMisconfigured("one", "401", "credentials")
PERMANENT = PermanentFailure("one", "400", "malformed")
GONE = InvalidRecipient("one", "UNREGISTERED", "gone")
SILENCE = UnknownOutcome("one", "timeout", "no answer")
ALL = [TOOK, REFUSED, FAULT, SLOWER, AWAY, MISCONFIGURED, PERMANENT, GONE, SILENCE]
MAYBE_SENT = (TOOK, FAULT, SILENCE)


def send(before: Standing, error: ProviderError | None, attempt: int | None = None, *, sid: str = "SM1") -> Standing:
    """Return the standing after one more attempt with this outcome."""
    message = OutboundMessage(uuid.UUID(int=1), attempt or before.attempt + 1, 0, Channel.SMS, "+49", Content())
    result = SendResult(message, provider_message_id="" if error else sid, error=error)
    return after_send(before, result, NOW, random.Random(1), WAIT)


def sending(**values: object) -> Standing:
    """Return the standing of a row on the wire."""
    return at(State.SENDING, claim_id=7, position=1, provider="one", **values)


# outcome, state and reason, retries used, whether a message may have gone out
ROWS = [
    pytest.param(TOOK, State.SENT, Reason.NONE, 0, True, id="the provider took it"),
    pytest.param(REFUSED, State.PENDING, Reason.RETRY, 1, False, id="later: an answer that excludes it"),
    pytest.param(FAULT, State.PENDING, Reason.RETRY, 1, True, id="a 5xx does not exclude that it was carried out"),
    pytest.param(SLOWER, State.PENDING, Reason.PACED, 1, False, id="slower: certainly not sent"),
    pytest.param(
        AWAY, State.PENDING, Reason.RETRY, 0, False, id="never reached: the breaker decides, no retry is used"
    ),
    pytest.param(MISCONFIGURED, State.PENDING, Reason.BREAKER_OPEN, 0, False, id="the account is at fault: waits"),
    pytest.param(PERMANENT, State.FAILED, Reason.REFUSED, 0, False, id="refused for good"),
    pytest.param(GONE, State.FAILED, Reason.INVALID_RECIPIENT, 0, False, id="no such address"),
    pytest.param(SILENCE, State.UNCERTAIN, Reason.NO_ANSWER, 1, True, id="written, no answer"),
]


@pytest.mark.parametrize(("error", "state", "reason", "used", "maybe"), ROWS)
@pytest.mark.parametrize("earlier", [0, 3], ids=["first", "later"])
def test_each_kind_of_outcome(
    error: ProviderError | None, state: State, reason: Reason, used: int, maybe: bool, earlier: int
) -> None:
    before = sending(attempt=earlier, retries=earlier)
    after = send(before, error)
    assert (after.state, after.reason) == (state, reason)
    assert (after.attempt, after.retries) == (earlier + 1, earlier + used)
    assert (after.claim_id, after.position) == (None, None)
    assert after.maybe_sent is maybe
    assert not after.possible_duplicate
    assert (after.error_code, after.error_detail) == ((error.code, error.detail) if error else ("", ""))
    assert after.state in ALLOWED[before.state]


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("maybe", [True, False], ids=["doubtful", "refused"])
def test_a_further_attempt_is_a_possible_duplicate_if_the_earlier_one_may_have_gone_out(
    error: ProviderError | None, maybe: bool
) -> None:
    after = send(sending(attempt=1, maybe_sent=maybe), error)
    assert after.possible_duplicate is maybe
    assert after.maybe_sent is (maybe or error in MAYBE_SENT)


@given(st.lists(st.sampled_from([*ALL, "lost lease"]), min_size=1, max_size=10))
def test_the_flag_is_set_exactly_if_an_attempt_followed_a_doubtful_one_and_stays(outcomes: list[object]) -> None:
    standing, doubtful, expected = sending(), False, False
    for outcome in outcomes:
        standing = standing._replace(state=State.SENDING, claim_id=7)
        expected = expected or doubtful
        if outcome == "lost lease":
            standing, doubtful = unsettled(lost(standing, NOW, WAIT), hold=False, now=NOW), True
        else:
            standing = send(standing, outcome)  # type: ignore[arg-type]
            doubtful = doubtful or outcome in MAYBE_SENT
        assert standing.possible_duplicate is expected
    assert standing.attempt == len(outcomes)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_a_late_result_settles_a_lost_row_without_counting_it_twice(error: ProviderError | None) -> None:
    uncertain = lost(sending(attempt=1, maybe_sent=False), NOW, WAIT)
    after = send(uncertain, error, attempt=2)
    assert after.attempt == 2
    assert not after.possible_duplicate
    assert after.state in ALLOWED[State.UNCERTAIN]


def test_what_was_taken_is_known_by_its_id_and_has_no_error() -> None:
    after = send(sending(attempt=1, error_code="503", error_detail="a fault", lost_leases=2), TOOK, sid="S" * 300)
    assert (after.provider_message_id, after.sent_at, after.lost_leases) == ("S" * 255, NOW, 0)
    assert (after.error_code, after.error_detail) == ("", "")


@pytest.mark.parametrize("sid", ["a\x00b", "a\ud800b"], ids=["NUL", "half a character"])
def test_a_lying_provider_cannot_keep_a_result_from_being_written(sid: str) -> None:
    after = send(sending(), TOOK, sid=sid)
    assert after.provider_message_id.encode().replace(b"\x00", b"!") in (b"ab", b"a?b")
    refused = send(sending(), PermanentFailure("one", sid * 60, sid * 4_000))
    assert len(refused.error_code.encode()) <= 60
    assert len(refused.error_detail) <= 2_000


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        pytest.param(TemporaryFailure("one", retry_after=30), 30, 30 + USUAL.first, id="Retry-After is a floor"),
        pytest.param(RateLimited("one", retry_after=60), 60, 60 + RATE_LIMITED.first, id="Retry-After of a limit"),
        pytest.param(
            SLOWER, RATE_LIMITED_AT_LEAST, RATE_LIMITED.first, id="a limit without one waits a second at least"
        ),
        pytest.param(FAULT, 0, USUAL.first, id="jitter below the first ceiling"),
        pytest.param(MISCONFIGURED, 60, 60, id="misconfigured waits a minute"),
        pytest.param(SILENCE, 15, 15, id="a receipt may settle it meanwhile"),
    ],
)
def test_when_it_is_due(error: ProviderError, least: float, most: float) -> None:
    wait = (send(sending(), error).due_at - NOW).total_seconds()
    assert least <= wait <= most
    assert MISCONFIGURED_WAIT.total_seconds() == 60


@pytest.mark.parametrize(
    ("error", "retries", "state"),
    [
        pytest.param(FAULT, USUAL.most - 1, State.PENDING, id="the last retry"),
        pytest.param(FAULT, USUAL.most, State.DEAD, id="none left"),
        pytest.param(SLOWER, USUAL.most, State.PENDING, id="a limit is more patient"),
        pytest.param(SLOWER, RATE_LIMITED.most, State.DEAD, id="but not for ever"),
        pytest.param(TOOK, USUAL.most, State.SENT, id="taken at last"),
    ],
)
def test_retries_end_in_a_dead_letter(error: ProviderError | None, retries: int, state: State) -> None:
    after = send(sending(attempt=retries, retries=retries), error)
    assert after.state == state
    if state == State.DEAD:
        assert after.reason == Reason.RETRIES_EXHAUSTED
        assert after.maybe_sent is (error is FAULT)


def test_an_uncertain_row_is_exhausted_after_as_many_retries_as_any() -> None:
    assert not exhausted(at(State.UNCERTAIN, retries=USUAL.most - 1))
    assert exhausted(at(State.UNCERTAIN, retries=USUAL.most))
