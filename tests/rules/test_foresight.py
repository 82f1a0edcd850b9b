"""Which rule decided: those before it let the message pass, those after it were not asked."""

from __future__ import annotations

import pytest

from notifications.enums import Reason, State
from notifications.rules.foresight import Rule, Verdict, cure, spoke, verdicts

PLANNED = State.PENDING


@pytest.mark.parametrize(
    ("state", "reason", "has_target", "rule"),
    [
        (State.SENDING, Reason.NONE, True, None),
        (State.SKIPPED, Reason.NO_TEMPLATE, False, Rule.WORDS),
        (State.SKIPPED, Reason.PREFERENCE, False, Rule.PREFERENCE),
        (State.SKIPPED, Reason.PREFERENCE, True, Rule.DEVICE),
        (State.SKIPPED, Reason.NO_ADDRESS, False, Rule.ADDRESS),
        (State.SKIPPED, Reason.GUEST_LIST, True, Rule.GUEST_LIST),
        (State.SKIPPED, Reason.SUPPRESSION, True, Rule.SUPPRESSION),
        (State.PENDING, Reason.SCHEDULED, True, Rule.SCHEDULE),
        (State.PENDING, Reason.QUIET_HOURS, True, Rule.QUIET_HOURS),
        (State.SKIPPED, Reason.REPLACED, True, Rule.COLLAPSE),
        (State.PENDING, Reason.THROTTLED, True, Rule.THROTTLE),
        (State.DIGESTED, Reason.NONE, True, Rule.THROTTLE),
        (State.EXPIRED, Reason.TTL, True, Rule.EXPIRY),
        (State.PENDING, Reason.BREAKER_OPEN, True, Rule.ROUTE),
        (State.DEAD, Reason.NO_ROUTE, True, Rule.ROUTE),
    ],
)
def test_the_rule_that_spoke(state: State, reason: Reason, has_target: bool, rule: Rule | None) -> None:
    assert spoke(state, reason, has_target=has_target) is rule


@pytest.mark.parametrize(
    ("state", "reason", "verdict"),
    [
        (State.SKIPPED, Reason.SUPPRESSION, Verdict.STOPS),
        (State.PENDING, Reason.QUIET_HOURS, Verdict.WAITS),
        (State.DIGESTED, Reason.NONE, Verdict.STOPS),
    ],
)
def test_before_and_after_it(state: State, reason: Reason, verdict: Verdict) -> None:
    said = verdicts(state, reason, has_target=True, planned=PLANNED)
    at = [index for index, (_, item) in enumerate(said) if item is verdict]
    assert len(at) == 1
    assert [item for _, item in said[: at[0]]] == [Verdict.PASSES] * at[0]
    assert [item for _, item in said[at[0] + 1 :]] == [Verdict.NOT_ASKED] * (len(said) - at[0] - 1)
    assert [rule for rule, _ in said] == list(Rule)


def test_what_goes_out_passed_them_all() -> None:
    said = verdicts(State.SENDING, Reason.NONE, has_target=True, planned=PLANNED)
    assert said == [(rule, Verdict.PASSES) for rule in Rule]


def test_what_is_too_late_already_when_planned_never_met_the_throttle() -> None:
    planned = dict(verdicts(State.EXPIRED, Reason.TTL, has_target=True, planned=State.EXPIRED))
    claimed = dict(verdicts(State.EXPIRED, Reason.TTL, has_target=True, planned=PLANNED))
    assert (planned[Rule.THROTTLE], claimed[Rule.THROTTLE]) == (Verdict.NOT_ASKED, Verdict.PASSES)
    assert (planned[Rule.QUIET_HOURS], claimed[Rule.ROUTE]) == (Verdict.PASSES, Verdict.NOT_ASKED)
    assert planned[Rule.EXPIRY] is claimed[Rule.EXPIRY] is Verdict.STOPS


def test_every_rule_says_what_to_change() -> None:
    assert all(cure(rule) for rule in Rule)


def test_a_limit_speaks_where_it_was_asked() -> None:
    """Planning knows countries alone; whoever is over another limit was let through by them."""
    planned = dict(verdicts(State.SKIPPED, Reason.LIMIT, has_target=True, planned=State.SKIPPED))
    claimed = dict(verdicts(State.SKIPPED, Reason.LIMIT, has_target=True, planned=PLANNED))
    assert (planned[Rule.COUNTRY], planned[Rule.SUPPRESSION]) == (Verdict.STOPS, Verdict.NOT_ASKED)
    assert (claimed[Rule.COUNTRY], claimed[Rule.LIMIT]) == (Verdict.PASSES, Verdict.STOPS)
