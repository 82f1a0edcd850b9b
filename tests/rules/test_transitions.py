"""Which state may follow which, and the standings that flows move deliveries to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.enums import OPEN_STATES, Reason, State
from notifications.rules.standing import STANDING_FIELDS, Standing, storable
from notifications.rules.transitions import (
    ALLOWED,
    LOST_ALONE,
    LOST_DEAD,
    claimed,
    ended,
    goes_alone,
    lost,
    parked,
    replayed,
    restored,
    returned,
    unsettled,
)
from tests.rules.standings import NOW, at

LATER = NOW + timedelta(minutes=1)
WAIT = timedelta(seconds=15)
HELD = at(State.SENDING, claim_id=7, position=3, provider="one")


def test_every_state_has_its_row_and_leads_to_states() -> None:
    assert set(ALLOWED) == set(State)
    assert all(state in following and following <= set(State) for state, following in ALLOWED.items())


def test_every_state_is_reached_from_pending_and_leaves_the_open_ones() -> None:
    reached, pending = {State.PENDING}, [State.PENDING]
    while pending:
        new = ALLOWED[pending.pop()] - reached
        reached |= new
        pending += new
    assert reached == set(State)
    assert all(ALLOWED[state] - OPEN_STATES for state in OPEN_STATES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(State.SENT, State.SENDING, id="what the provider took is not simply sent again"),
        pytest.param(State.DELIVERED, State.PENDING, id="what arrived is over"),
        pytest.param(State.DELIVERED, State.SENT, id="no way back down"),
        pytest.param(State.COMPLAINED, State.DELIVERED, id="a complaint stays"),
        pytest.param(State.SKIPPED, State.PENDING, id="a skip stays"),
        pytest.param(State.CANCELLED, State.SENDING, id="cancelled is never sent"),
        pytest.param(State.EXPIRED, State.SENDING, id="expired is never sent"),
        pytest.param(State.PENDING, State.SENT, id="nothing is sent without a claim"),
        pytest.param(State.UNCERTAIN, State.SENDING, id="uncertain is settled first"),
        pytest.param(State.DEAD, State.SENDING, id="a dead letter is replayed first"),
        pytest.param(State.DIGESTED, State.PENDING, id="a digest speaks for it"),
    ],
)
def test_what_may_not_happen(before: State, after: State) -> None:
    assert after not in ALLOWED[before]


def test_claimed() -> None:
    after = claimed(at(State.PENDING, Reason.RETRY, attempt=2), 7, 3, "one")
    assert (after.state, after.reason, after.claim_id, after.position, after.provider, after.attempt) == (
        State.SENDING, Reason.NONE, 7, 3, "one", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        pytest.param(0, Reason.NEW, id="never tried"),
        pytest.param(2, Reason.RETRY, id="tried before"),
    ],
)
def test_a_returned_row_is_as_if_it_had_not_been_claimed(attempt: int, reason: Reason) -> None:
    before = at(State.SENDING, claim_id=7, position=3, attempt=attempt, possible_duplicate=True)
    after = returned(before, LATER)
    assert (after.state, after.reason, after.due_at) == (State.PENDING, reason, LATER)
    assert (after.claim_id, after.position) == (None, None)
    assert (after.attempt, after.lost_leases, after.maybe_sent) == (attempt, 0, False)
    assert after.possible_duplicate


def test_a_parked_row_uses_no_attempt() -> None:
    after = parked(at(State.PENDING, attempt=1, retries=1), Reason.BREAKER_OPEN, LATER)
    assert (after.state, after.reason, after.due_at) == (State.PENDING, Reason.BREAKER_OPEN, LATER)
    assert (after.attempt, after.retries) == (1, 1)


def test_an_ended_row_is_nobodys() -> None:
    after = ended(HELD, State.EXPIRED, Reason.TTL, LATER)
    assert (after.state, after.reason, after.claim_id, after.position) == (State.EXPIRED, Reason.TTL, None, None)


@pytest.mark.parametrize(
    ("before", "duplicate"),
    [
        pytest.param(HELD, False, id="the first attempt: nobody can have got it twice yet"),
        pytest.param(
            at(State.SENDING, claim_id=7, attempt=1, maybe_sent=True), True, id="after one that may have gone out"
        ),
        pytest.param(at(State.SENDING, claim_id=7, attempt=1), False, id="after one that was refused"),
        pytest.param(at(State.SENDING, claim_id=7, possible_duplicate=True), True, id="it stays for ever"),
    ],
)
def test_a_lost_row_may_have_gone_out(before: Standing, duplicate: bool) -> None:
    after = lost(before, NOW, WAIT)
    assert (after.state, after.reason, after.due_at) == (State.UNCERTAIN, Reason.LEASE_EXPIRED, NOW + WAIT)
    assert (after.attempt, after.lost_leases) == (before.attempt + 1, before.lost_leases + 1)
    assert after.maybe_sent
    assert after.possible_duplicate is duplicate
    assert after.claim_id == 7  # so that the same worker's late result can settle it


def test_what_a_backup_takes_for_unsent_may_have_gone_out() -> None:
    after = restored(at(State.SENDING, Reason.NONE, claim_id=7, position=3, attempt=1), NOW, WAIT, "one")
    assert (after.state, after.reason, after.due_at) == (State.UNCERTAIN, Reason.LEASE_EXPIRED, NOW + WAIT)
    assert (after.claim_id, after.position, after.lost_leases) == (None, None, 0)
    assert (after.attempt, after.provider, after.maybe_sent, after.possible_duplicate) == (2, "one", True, False)


@pytest.mark.parametrize(
    ("before", "duplicate"),
    [
        pytest.param(at(State.PENDING, maybe_sent=True, provider="two"), True, id="twice in doubt"),
        pytest.param(at(State.PENDING, possible_duplicate=True, provider="two"), True, id="it stays for ever"),
    ],
)
def test_a_restored_row_keeps_its_provider_and_its_mark(before: Standing, duplicate: bool) -> None:
    after = restored(before, NOW, WAIT, "one")
    assert (after.provider, after.possible_duplicate) == ("two", duplicate)


def test_a_restored_dead_letter_stays_one_and_is_doubted() -> None:
    before = at(State.DEAD, Reason.HELD, attempt=3)
    assert restored(before, NOW, WAIT, "one") == before._replace(maybe_sent=True)


@pytest.mark.parametrize(
    ("leases", "hold", "state", "reason"),
    [
        pytest.param(1, False, State.PENDING, Reason.RETRY, id="resend"),
        pytest.param(1, True, State.DEAD, Reason.HELD, id="hold"),
        pytest.param(2, False, State.PENDING, Reason.RETRY, id="twice: again, but alone"),
        pytest.param(3, False, State.DEAD, Reason.WORKER_DIED, id="three workers died"),
        pytest.param(3, True, State.DEAD, Reason.WORKER_DIED, id="three workers died, whatever the policy"),
        pytest.param(0, False, State.PENDING, Reason.RETRY, id="no answer, but the worker lived"),
    ],
)
def test_unsettled(leases: int, hold: bool, state: State, reason: Reason) -> None:
    after = unsettled(at(State.UNCERTAIN, lost_leases=leases, claim_id=7, maybe_sent=True), hold=hold, now=LATER)
    assert (after.state, after.reason, after.due_at, after.claim_id) == (state, reason, LATER, None)
    assert after.maybe_sent


@pytest.mark.parametrize(("leases", "alone"), [(0, False), (1, False), (2, True), (3, True)])
def test_what_killed_two_workers_goes_alone(leases: int, alone: bool) -> None:
    assert goes_alone(at(State.PENDING, lost_leases=leases)) is alone
    assert LOST_ALONE < LOST_DEAD


def test_a_replay_begins_a_generation_and_forgets_no_doubt() -> None:
    before = at(
        State.DEAD, Reason.RETRIES_EXHAUSTED, attempt=9, retries=8, generation=1, lost_leases=2, maybe_sent=True,
        possible_duplicate=True, error_code="503", error_detail="x", fallback_at=NOW,
    )  # fmt: skip
    after = replayed(before, LATER)
    assert (after.state, after.reason, after.due_at) == (State.PENDING, Reason.NEW, LATER)
    assert (after.generation, after.retries, after.lost_leases) == (2, 0, 0)
    assert (after.attempt, after.maybe_sent, after.possible_duplicate) == (9, True, True)
    assert (after.error_code, after.error_detail) == ("", "")


def test_all_that_stands_is_written() -> None:
    assert Standing._fields == STANDING_FIELDS


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("SM123", "SM123", id="plain"),
        pytest.param("a\x00b", "ab", id="NUL, which PostgreSQL refuses"),
        pytest.param("a\ud800b", "a?b", id="half a character, which no encoding has"),
        pytest.param("äöü", "äöü", id="letters count, not bytes"),
        pytest.param("x" * 20, "x" * 9, id="too long"),
    ],
)
def test_what_a_provider_says_can_be_stored(text: str, stored: str) -> None:
    assert storable(text, 9) == stored
