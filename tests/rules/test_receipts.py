"""How reports merge: the same set of them ends in the same state, in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.enums import REACHED_STATES, Reason, ReceiptKind, State
from notifications.rules.receipts import RANK, STATE_OF, Report, attempt_of, merge, must_wait
from notifications.rules.standing import Standing
from notifications.rules.transitions import ALLOWED
from tests.rules.standings import NOW, at

KINDS = list(ReceiptKind)
TELLING = list(STATE_OF)
STATES = list(State)
SENT, DELIVERED, OPENED, CLICKED = ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.OPENED, ReceiptKind.CLICKED
BOUNCED, COMPLAINED, UNDELIVERED = ReceiptKind.BOUNCED, ReceiptKind.COMPLAINED, ReceiptKind.UNDELIVERED


def report(kind: ReceiptKind, attempt: int = 2, seconds: int = 0) -> Report:
    """Return a report; attempt 2 is the newest of the standings below."""
    return Report(kind, attempt, NOW + timedelta(seconds=seconds), f"SM{attempt}", "30003", "not reached")


def after(state: State, *reports: Report) -> Standing:
    """Return the standing after these reports, in this order."""
    standing = at(state, attempt=2, maybe_sent=True)
    for item in reports:
        standing = merge(standing, item)
    return standing


# the delivery's state, the reports as (kind, attempt), the state afterwards
CASES = {
    "sent, then delivered": (State.SENT, [(DELIVERED, 2)], State.DELIVERED),
    "delivered, then a late sent": (State.DELIVERED, [(SENT, 2)], State.DELIVERED),
    "opened before delivered was told": (State.SENT, [(OPENED, 2), (DELIVERED, 2)], State.OPENED),
    "clicked beats opened": (State.OPENED, [(CLICKED, 2)], State.CLICKED),
    "a late bounce after delivered": (State.DELIVERED, [(BOUNCED, 2)], State.BOUNCED),
    "delivered after its bounce": (State.BOUNCED, [(DELIVERED, 2)], State.BOUNCED),
    "a complaint is last": (State.CLICKED, [(COMPLAINED, 2), (BOUNCED, 2)], State.COMPLAINED),
    "undelivered after sent": (State.SENT, [(UNDELIVERED, 2)], State.FAILED),
    "delivered after undelivered": (State.SENT, [(UNDELIVERED, 2), (DELIVERED, 2)], State.DELIVERED),
    "undelivered after delivered": (State.DELIVERED, [(UNDELIVERED, 2)], State.DELIVERED),
    "uncertain: sent settles it": (State.UNCERTAIN, [(SENT, 2)], State.SENT),
    "uncertain: undelivered settles it": (State.UNCERTAIN, [(UNDELIVERED, 2)], State.FAILED),
    "uncertain: an older attempt's sent says nothing": (State.UNCERTAIN, [(SENT, 1)], State.UNCERTAIN),
    "uncertain: an older attempt's bounce says nothing": (State.UNCERTAIN, [(BOUNCED, 1)], State.UNCERTAIN),
    "uncertain: an older attempt arrived": (State.UNCERTAIN, [(DELIVERED, 1)], State.DELIVERED),
    "the newest attempt decides: an older bounce": (State.SENT, [(BOUNCED, 1)], State.SENT),
    "the newest attempt decides: an older undelivered": (State.SENT, [(UNDELIVERED, 1)], State.SENT),
    "an older attempt arrived": (State.SENT, [(DELIVERED, 1)], State.DELIVERED),
    "an older attempt was opened": (State.DELIVERED, [(OPENED, 1)], State.OPENED),
    "an older attempt was complained about": (State.DELIVERED, [(COMPLAINED, 1)], State.COMPLAINED),
    "the newest attempt bounced, an older one arrived": (State.SENT, [(BOUNCED, 2), (DELIVERED, 1)], State.BOUNCED),
    "waiting to retry: it arrived, so no retry": (State.PENDING, [(DELIVERED, 2)], State.DELIVERED),
    "waiting to retry: sent is no proof": (State.PENDING, [(SENT, 2)], State.PENDING),
    "waiting to retry: undelivered is why it waits": (State.PENDING, [(UNDELIVERED, 2)], State.PENDING),
    "waiting to retry: it bounced, so no retry": (State.PENDING, [(BOUNCED, 2)], State.BOUNCED),
    "waiting to retry: an older bounce says nothing": (State.PENDING, [(BOUNCED, 1)], State.PENDING),
    "a dead letter that arrived": (State.DEAD, [(DELIVERED, 1)], State.DELIVERED),
    "a dead letter, sent is no proof": (State.DEAD, [(SENT, 2)], State.DEAD),
    "failed, and yet it arrived": (State.FAILED, [(DELIVERED, 2)], State.DELIVERED),
    "cancelled too late": (State.CANCELLED, [(DELIVERED, 2)], State.DELIVERED),
    "expired, but an attempt had arrived": (State.EXPIRED, [(OPENED, 1)], State.OPENED),
    "skipped, but an attempt had arrived": (State.SKIPPED, [(DELIVERED, 1)], State.DELIVERED),
    "on the wire: our own record comes first": (State.SENDING, [(DELIVERED, 2)], State.SENDING),
    "a digest speaks for it": (State.DIGESTED, [(DELIVERED, 2)], State.DIGESTED),
}


@pytest.mark.parametrize(("state", "reports", "final"), CASES.values(), ids=CASES)
def test_merge(state: State, reports: list[tuple[ReceiptKind, int]], final: State) -> None:
    assert after(state, *(report(*item) for item in reports)).state == final


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("kind", "attempt"), list(product(KINDS, [1, 2, 3])))
def test_a_report_never_leads_where_it_may_not_and_twice_is_once(state: State, kind: ReceiptKind, attempt: int) -> None:
    once = after(state, report(kind, attempt))
    assert once.state in ALLOWED[state]
    assert merge(once, report(kind, attempt)) == once
    if once.state == state:
        assert (once.reason, once.due_at) == (Reason.NONE, NOW)


@pytest.mark.parametrize("state", [State.SENT, State.UNCERTAIN, State.PENDING, State.FAILED, State.DEAD])
def test_any_order_of_any_reports_of_two_attempts_ends_in_one_state(state: State) -> None:
    """Every set of up to three of all reports, each one twice, in all orders."""
    every = [report(kind, attempt) for kind, attempt in product(TELLING, [1, 2])]
    for size in (1, 2, 3):
        for chosen in combinations(every, size):
            ends = {
                (end.state, end.delivered_at)
                for order in permutations((*chosen, chosen[0]))
                if (end := after(state, *order))
            }
            assert len(ends) == 1, [(item.kind, item.attempt) for item in chosen]


def ends_of_all_orders(begin: State, chosen: Sequence[Report]) -> set[Standing]:
    """Return where all orders of some reports can end, each told any number of times.

    What follows depends on the standing alone; so instead of every order, every set of reports that were told already
    is looked at once, with all the standings that some order of them leads to.
    """
    reached: list[set[Standing]] = [set() for _ in range(1 << len(chosen))]
    reached[0].add(at(begin, attempt=2, maybe_sent=True))
    for told, standings in enumerate(reached):
        for standing in standings:
            for index, item in enumerate(chosen):
                again = merge(standing, item)
                if told & 1 << index:
                    assert again == standing, "told twice is told once"
                else:
                    reached[told | 1 << index].add(again)
    return reached[-1]


def test_all_orders_of_a_full_story_of_two_attempts_end_alike() -> None:
    story = [report(SENT, 1), report(DELIVERED, 1), report(SENT), report(UNDELIVERED), report(OPENED), report(BOUNCED)]
    ends = {(end.state, end.delivered_at) for end in ends_of_all_orders(State.SENT, story)}
    assert ends == {(State.BOUNCED, NOW)}


@pytest.mark.long
@pytest.mark.parametrize("begin", [State.SENT, State.UNCERTAIN, State.PENDING, State.FAILED, State.DEAD])
def test_all_orders_of_any_six_reports_of_two_attempts_end_alike(begin: State) -> None:
    """All 6,475 sets of up to six of the fourteen reports: 2.5 million orders, with every repetition."""
    every = [report(kind, attempt, attempt) for kind, attempt in product(TELLING, [1, 2])]
    sets = [chosen for size in range(1, 7) for chosen in combinations(every, size)]
    assert len(sets) == 6_475
    for chosen in sets:
        ends = {(end.state, end.delivered_at) for end in ends_of_all_orders(begin, chosen)}
        assert len(ends) == 1, [(item.kind, item.attempt) for item in chosen]


@given(
    st.sampled_from(STATES),
    st.lists(st.builds(report, st.sampled_from(KINDS), st.integers(1, 3), st.integers(0, 9)), min_size=1, max_size=6),
    st.data(),
)
def test_order_and_repetition_never_matter(state: State, reports: list[Report], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(reports + reports[: data.draw(st.integers(0, 2))]))
    one, other = after(state, *reports), after(state, *shuffled)
    assert (one.state, one.delivered_at) == (other.state, other.delivered_at)


@given(st.sampled_from(STATES), st.lists(st.builds(report, st.sampled_from(KINDS), st.integers(1, 2)), max_size=6))
def test_what_arrived_is_never_taken_back_except_by_a_bounce_or_a_complaint(
    state: State, reports: list[Report]
) -> None:
    arrived = any(STATE_OF.get(item.kind) in REACHED_STATES for item in reports)
    final = after(state, *reports)
    if arrived and state not in (State.SENDING, State.DIGESTED):
        assert final.state in REACHED_STATES | {State.BOUNCED, State.COMPLAINED}
        assert final.delivered_at is not None


@pytest.mark.parametrize("reason", [Reason.HELD, Reason.WORKER_DIED])
@pytest.mark.parametrize(
    ("kind", "attempt", "state"),
    [(SENT, 2, State.SENT), (UNDELIVERED, 2, State.FAILED), (BOUNCED, 2, State.BOUNCED), (SENT, 1, State.DEAD)],
)
def test_a_late_receipt_settles_what_was_held_because_nobody_knew(
    reason: Reason, kind: ReceiptKind, attempt: int, state: State
) -> None:
    held = at(State.DEAD, reason, attempt=2, maybe_sent=True)
    after = merge(held, report(kind, attempt))
    assert after.state == state
    assert after.state in ALLOWED[State.DEAD]
    assert merge(at(State.UNCERTAIN, attempt=2, maybe_sent=True), report(kind, attempt)).state == (
        State.UNCERTAIN if state == State.DEAD else state
    )


def test_the_ranks_are_one_line() -> None:
    assert sorted(RANK, key=lambda state: RANK[state]) == [
        State.SENT, State.FAILED, State.DELIVERED, State.OPENED, State.CLICKED, State.BOUNCED, State.COMPLAINED,
    ]  # fmt: skip
    assert len(set(RANK.values())) == len(RANK)


def test_what_a_report_leaves_behind() -> None:
    failed = after(State.UNCERTAIN, report(UNDELIVERED, seconds=5))
    assert (failed.reason, failed.error_code, failed.error_detail) == (Reason.REFUSED, "30003", "not reached")
    assert failed.provider_message_id == "SM2"
    arrived = merge(failed, report(DELIVERED, seconds=9))
    assert (arrived.reason, arrived.error_code, arrived.error_detail) == (Reason.NONE, "", "")
    assert (arrived.delivered_at, arrived.sent_at) == (NOW + timedelta(seconds=9), NOW + timedelta(seconds=5))
    assert arrived.possible_duplicate is False


def test_the_earliest_delivery_counts_even_if_a_bounce_decides() -> None:
    end = after(State.SENT, report(BOUNCED), report(OPENED, seconds=9), report(DELIVERED, seconds=3))
    assert (end.state, end.delivered_at) == (State.BOUNCED, NOW + timedelta(seconds=3))


def test_a_providers_text_can_be_stored() -> None:
    told = Report(BOUNCED, 2, NOW, "a\x00b", "\ud800" * 80, "\x00")
    end = merge(at(State.SENT, attempt=2), told)
    assert (end.provider_message_id, end.error_code, end.error_detail) == ("ab", "?" * 60, "")


@pytest.mark.parametrize(
    ("state", "attempt", "waits"),
    [
        pytest.param(State.SENDING, 1, True, id="on the wire: whatever the attempt"),
        pytest.param(State.SENDING, 2, True, id="on the wire"),
        pytest.param(State.SENT, 3, True, id="of an attempt that we have not recorded"),
        pytest.param(State.SENT, 2, False, id="of the attempt that we know"),
        pytest.param(State.PENDING, 1, False, id="of an older one"),
        pytest.param(State.UNCERTAIN, 2, False, id="it is what an uncertain one waits for"),
    ],
)
def test_a_receipt_may_be_faster_than_our_record(state: State, attempt: int, waits: bool) -> None:
    assert must_wait(at(state, attempt=2), report(DELIVERED, attempt)) is waits


@pytest.mark.parametrize(
    ("attempt", "generation", "about"),
    [
        pytest.param(2, None, 2, id="it names an attempt"),
        pytest.param(None, None, 3, id="it names nothing: the newest"),
        pytest.param(None, 1, 3, id="it names this generation: its newest attempt"),
        pytest.param(None, 0, 2, id="it names an older generation: not the newest attempt"),
        pytest.param(None, 2, 4, id="it names a generation to come: none of ours"),
    ],
)
def test_which_attempt_a_receipt_is_about(attempt: int | None, generation: int | None, about: int) -> None:
    assert attempt_of(attempt, generation, 3, 1) == about
