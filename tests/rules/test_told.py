"""The sentence for the customer: about what came furthest, on the recipient's clock, addresses shortened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from notifications.enums import Channel, Reason, State
from notifications.rules.explanations import BY_REASON
from notifications.rules.told import Fate, named, told, told_refused

NOW = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)
SENT = datetime(2026, 11, 22, 13, 2, 7, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CODE = Fate("login-code", Channel.SMS, "+4915112345642", State.SENT, Reason.NONE, SENT, SENT, None, BERLIN)


@pytest.fixture
def server_in_kolkata() -> Iterator[None]:
    """Let the machine's own clock be one that no recipient has."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


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


@pytest.mark.parametrize(
    ("channel", "address", "where"),
    [
        (Channel.SMS, "", "your phone"),
        (Channel.EMAIL, "ada@example.com", "the mailbox a…@example.com"),
        (Channel.EMAIL, "", "your mailbox"),
        (Channel.PUSH, "token", "your device"),
    ],
)
def test_where_it_went_is_told_as_people_know_it(channel: Channel, address: str, where: str) -> None:
    assert f"to {where} at" in told([replace(CODE, channel=channel, address=address)], NOW)


def test_when_it_was_sent_is_told_and_not_what_it_was_due_for_since() -> None:
    assert "at 14:02:07;" in told([replace(CODE, due_at=SENT + timedelta(minutes=1))], NOW)


def test_a_reason_belongs_to_one_state() -> None:
    """So the sentence for a reason is one for its state, too."""
    reasons = [reason for _, reason in BY_REASON]
    assert len(reasons) == len(set(reasons))


@pytest.mark.usefixtures("server_in_kolkata")
def test_a_server_does_not_tell_its_own_time() -> None:
    assert "at 13:02:07 UTC;" in told([replace(CODE, zone=None)], NOW)


def test_today_is_the_recipients() -> None:
    """At half past eleven in London it is tomorrow in Berlin."""
    late = replace(CODE, sent_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    assert "at 00:30:00;" in told([late], datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    assert "at 00:30:00 on Nov. 23, 2026;" in told([late], datetime(2026, 11, 22, 22, 0, tzinfo=UTC))


def test_another_day_and_an_unknown_zone_are_said() -> None:
    assert "at 13:02:07 UTC;" in told([replace(CODE, zone=None)], NOW)
    assert "14:02:07 on Nov. 22, 2026" in told([CODE], NOW.replace(day=24))


def test_a_message_is_named_by_its_template() -> None:
    assert named("order-shipped") == "your message “order shipped”"
    assert named("otp") == "your code"
    assert "“order shipped”; the request was not in order" in told_refused("order-shipped", SENT, None, NOW)
