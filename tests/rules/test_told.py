"""The sentence for the customer: about what came furthest, on the recipient's clock, addresses shortened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from notifications.enums import Channel, Reason, State
from notifications.rules.told import Fate, named, told, told_refused

NOW = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)
SENT = datetime(2026, 11, 22, 13, 2, 7, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CODE = Fate("login-code", Channel.SMS, "+4915112345642", State.SENT, Reason.NONE, SENT, SENT, None, BERLIN)


def test_the_sentence_can_be_read_as_it_stands() -> None:
    assert told([CODE], NOW) == (
        "We sent your code to the number ending 42 at 14:02:07; your operator has not confirmed it."
    )
    confirmed = replace(CODE, state=State.DELIVERED, delivered_at=SENT.replace(second=9))
    assert told([confirmed], NOW).endswith("your operator confirmed it at 14:02:09.")


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        (State.PENDING, Reason.QUIET_HOURS, "quiet hours hold it back until 14:02:07"),
        (State.PENDING, Reason.NEW, "have not sent your code to the number ending 42 yet"),
        (State.SKIPPED, Reason.PREFERENCE, "you switched such messages off"),
        (State.SKIPPED, Reason.SUPPRESSION, "blocked after a bounce"),
        (State.SKIPPED, Reason.NO_ADDRESS, "no address of yours"),
        (State.DEAD, Reason.RETRIES_EXHAUSTED, "we are looking into it"),
        (State.FAILED, Reason.INVALID_RECIPIENT, "that address does not exist"),
        (State.EXPIRED, Reason.TTL, "too late to be of use"),
        (State.CANCELLED, Reason.FALLBACK, "another way of reaching you took over"),
        (State.UNCERTAIN, Reason.NO_ANSWER, "whether it went out is not known yet"),
    ],
)
def test_each_state_is_told_as_it_is(state: State, reason: Reason, says: str) -> None:
    assert says in told([replace(CODE, state=state, reason=reason)], NOW)


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("state", list(State))
def test_nothing_is_left_without_a_sentence_and_no_address_is_read_out(channel: Channel, state: State) -> None:
    fate = replace(CODE, channel=channel, state=state, address={"email": "ada@example.com"}.get(channel, CODE.address))
    for item in (fate, replace(fate, address="", zone=None, sent_at=None)):
        sentence = told([item], NOW)
        assert sentence.startswith("We ")
        assert "%" not in sentence
        assert "ada@" not in sentence
        assert "15112345" not in sentence


def test_of_several_the_one_that_came_furthest_is_told() -> None:
    skipped = replace(CODE, channel=Channel.PUSH, state=State.SKIPPED, reason=Reason.PREFERENCE)
    assert told([skipped, CODE], NOW) == told([CODE], NOW)


def test_another_day_and_an_unknown_zone_are_said() -> None:
    assert "at 13:02:07 UTC;" in told([replace(CODE, zone=None)], NOW)
    assert "14:02:07 on Nov. 22, 2026" in told([CODE], NOW.replace(day=24))


def test_a_message_is_named_by_its_template() -> None:
    assert named("order-shipped") == "your message “order shipped”"
    assert named("otp") == "your code"
    assert "“order shipped”; the request was not in order" in told_refused("order-shipped", SENT, None, NOW)
