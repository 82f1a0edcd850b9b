"""When a message goes on to the next channel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.enums import Channel, Reason, State
from notifications.rules.fallback import Verdict, has_failed, is_unreachable, judge, patience, steps
from notifications.rules.standing import Standing
from tests.rules.standings import NOW, at

PUSH, SMS, EMAIL = Channel.PUSH, Channel.SMS, Channel.EMAIL
SOON, PAST = NOW + timedelta(seconds=30), NOW - timedelta(seconds=1)
FAILED = at(State.FAILED, Reason.INVALID_RECIPIENT)
SENT = at(State.SENT)
OPTED_OUT = at(State.SKIPPED, Reason.PREFERENCE)


@pytest.mark.parametrize(
    ("channels", "fallback", "only", "expected"),
    [
        pytest.param([PUSH, SMS], [EMAIL], [], [[PUSH, SMS], [EMAIL]], id="the primary ones together, then one by one"),
        pytest.param([PUSH], [SMS, EMAIL], [], [[PUSH], [SMS], [EMAIL]], id="two fallbacks"),
        pytest.param([PUSH, SMS], [EMAIL], ["push"], [[PUSH]], id="narrowed to one"),
        pytest.param([PUSH], [SMS, EMAIL], ["email"], [[EMAIL]], id="narrowed to a fallback: it comes first"),
        pytest.param([PUSH], [], ["sms"], [], id="never widened"),
    ],
)
def test_steps(
    channels: list[Channel], fallback: list[Channel], only: list[str], expected: list[list[Channel]]
) -> None:
    assert steps(channels, fallback, only) == expected


@pytest.mark.parametrize(
    ("state", "reason", "failed"),
    [
        pytest.param(State.FAILED, Reason.REFUSED, True, id="refused"),
        pytest.param(State.BOUNCED, Reason.NONE, True, id="bounced"),
        pytest.param(State.DEAD, Reason.RETRIES_EXHAUSTED, True, id="dead"),
        pytest.param(State.SKIPPED, Reason.NO_ADDRESS, True, id="no address"),
        pytest.param(State.SKIPPED, Reason.SUPPRESSION, True, id="suppressed"),
        pytest.param(State.SKIPPED, Reason.DEVICE_GONE, True, id="device gone"),
        pytest.param(State.SKIPPED, Reason.NO_TEMPLATE, True, id="no words"),
        pytest.param(State.SKIPPED, Reason.PREFERENCE, False, id="they do not want it"),
        pytest.param(State.SKIPPED, Reason.GUEST_LIST, False, id="this installation does not want it"),
        pytest.param(State.COMPLAINED, Reason.NONE, False, id="complained: it arrived"),
        pytest.param(State.EXPIRED, Reason.TTL, False, id="too late for any channel"),
        pytest.param(State.CANCELLED, Reason.NONE, False, id="cancelled"),
        pytest.param(State.UNCERTAIN, Reason.NO_ANSWER, False, id="nobody knows yet"),
        pytest.param(State.PENDING, Reason.RETRY, False, id="still tried"),
    ],
)
def test_has_failed(state: State, reason: Reason, failed: bool) -> None:
    assert has_failed(state, reason) is failed


@pytest.mark.parametrize(
    ("standings", "confirmed", "verdict"),
    [
        pytest.param([FAILED], False, Verdict(True), id="the only one failed"),
        pytest.param([FAILED, SENT], False, Verdict(False), id="another one was taken"),
        pytest.param([FAILED, FAILED], False, Verdict(True), id="all failed"),
        pytest.param([FAILED, at(State.UNCERTAIN)], False, Verdict(False), id="another one is uncertain"),
        pytest.param([FAILED, at(State.SENDING)], False, Verdict(False), id="another one is on the wire"),
        pytest.param([FAILED, at(State.PENDING)], False, Verdict(False), id="another one is still tried"),
        pytest.param([at(State.PENDING, fallback_at=SOON)], False, Verdict(False, SOON), id="waits with patience"),
        pytest.param([at(State.PENDING, fallback_at=NOW)], False, Verdict(True), id="patience is over"),
        pytest.param([at(State.PENDING, fallback_at=PAST), FAILED], False, Verdict(True), id="over, and one failed"),
        pytest.param([at(State.PENDING, fallback_at=PAST), SENT], False, Verdict(False), id="over, but one was taken"),
        pytest.param([at(State.SENT, fallback_at=SOON)], True, Verdict(False, SOON), id="waits to be delivered"),
        pytest.param([at(State.SENT, fallback_at=PAST)], True, Verdict(True), id="not delivered in time"),
        pytest.param([at(State.SENT, fallback_at=PAST)], False, Verdict(False), id="nobody asked for delivery"),
        pytest.param([SENT], True, Verdict(False), id="the provider reports no delivery: sent counts"),
        pytest.param([at(State.DELIVERED, fallback_at=PAST)], True, Verdict(False), id="delivered in time"),
        pytest.param([at(State.COMPLAINED, fallback_at=SOON)], True, Verdict(False), id="complained: it arrived"),
        pytest.param(
            [at(State.SENT, fallback_at=SOON), at(State.PENDING, fallback_at=SOON + timedelta(1))],
            True,
            Verdict(False, SOON),
            id="looks again when the first is due",
        ),
        pytest.param([OPTED_OUT], False, Verdict(False), id="opted out of all: nothing else either"),
        pytest.param([OPTED_OUT, FAILED], False, Verdict(True), id="opted out of one, the other failed"),
        pytest.param([OPTED_OUT, SENT], False, Verdict(False), id="opted out of one, the other was taken"),
        pytest.param([at(State.CANCELLED, Reason.NONE), FAILED], False, Verdict(False), id="cancelled by somebody"),
        pytest.param([], False, Verdict(False), id="nothing to judge"),
    ],
)
def test_judge(standings: list[Standing], confirmed: bool, verdict: Verdict) -> None:
    assert judge(standings, NOW, confirmed_only=confirmed) == verdict
    assert judge(reversed(standings), NOW, confirmed_only=confirmed) == verdict


@pytest.mark.parametrize(
    ("decided", "unreachable"),
    [
        pytest.param([(State.SKIPPED, Reason.NO_ADDRESS)], True, id="no address"),
        pytest.param([(State.SKIPPED, Reason.NO_ADDRESS), (State.PENDING, Reason.NEW)], False, id="one can be sent"),
        pytest.param([(State.SKIPPED, Reason.PREFERENCE)], False, id="they do not want it"),
        pytest.param(
            [(State.SKIPPED, Reason.PREFERENCE), (State.SKIPPED, Reason.SUPPRESSION)], True, id="one unwanted"
        ),
        pytest.param([(State.EXPIRED, Reason.TTL)], False, id="too late"),
        pytest.param([], False, id="nothing planned"),
    ],
)
def test_who_cannot_be_reached_in_a_step_is_planned_for_the_next(
    decided: list[tuple[State, Reason]], unreachable: bool
) -> None:
    assert is_unreachable(decided) is unreachable


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        pytest.param(None, 300, id="no ttl"),
        pytest.param(timedelta(minutes=20), 300, id="a long one"),
        pytest.param(timedelta(minutes=4), 120, id="never more than half of it"),
    ],
)
def test_patience(ttl: timedelta | None, seconds: int) -> None:
    assert patience(timedelta(minutes=5), ttl) == timedelta(seconds=seconds)
