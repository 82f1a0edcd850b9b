"""What an attempt leaves behind whose end nobody knows, and how a provider's key lifts the doubt."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from notifications.enums import Channel, Reason, State
from notifications.exceptions import ProviderError, TemporaryFailure, UnknownOutcome
from notifications.messages import Content, OutboundMessage, SendResult, split_carillon_id
from notifications.rules.doubt import MARGIN, Key, doubted, is_doubted, pinned_to, resumed
from notifications.rules.outcomes import after_send
from notifications.rules.standing import Standing
from notifications.rules.transitions import lost, replayed, unsettled
from tests.rules.standings import NOW, at

DAY = timedelta(days=1)
KEY = Key(DAY, NOW)
WAIT = timedelta(seconds=15)
SENDING = at(State.SENDING, claim_id=7, position=1, provider="resend")
OPEN_ENDS = [UnknownOutcome("resend", "timeout", ""), TemporaryFailure("resend", "500", "", maybe_sent=True)]


def sent(standing: Standing, error: ProviderError | None, key: Key | None) -> Standing:
    message = OutboundMessage(
        UUID(int=1), standing.attempt + 1, standing.generation, Channel.EMAIL, "ada@example.com", Content()
    )
    result = SendResult(message, error=error)
    return after_send(standing, result, NOW, random.Random(1), WAIT, key)


@pytest.mark.parametrize("error", OPEN_ENDS)
def test_without_a_key_the_next_attempt_may_be_a_duplicate(error: ProviderError) -> None:
    after = sent(SENDING, error, None)
    assert (after.maybe_sent, after.keyed_at) == (True, None)
    again = sent(after._replace(state=State.SENDING), None, None)
    assert again.possible_duplicate


@pytest.mark.parametrize("error", OPEN_ENDS)
def test_with_a_key_the_next_attempt_is_none(error: ProviderError) -> None:
    after = sent(SENDING, error, KEY)
    assert (after.maybe_sent, after.keyed_at) == (False, NOW)
    again = sent(resumed(after, "resend", DAY, NOW + DAY / 2), None, KEY)
    assert not again.possible_duplicate
    assert again.keyed_at is None


def test_a_lost_attempt_with_a_key_is_resolved_by_the_key_even_where_doubt_is_held() -> None:
    gone = lost(SENDING, NOW, WAIT, KEY)
    assert (gone.state, gone.maybe_sent, gone.keyed_at) == (State.UNCERTAIN, False, NOW)
    assert unsettled(gone, hold=True, now=NOW).state == State.PENDING
    without = lost(SENDING, NOW, WAIT)
    assert unsettled(without, hold=True, now=NOW).reason == Reason.HELD


def test_the_first_use_of_the_key_counts() -> None:
    first = doubted(SENDING, KEY)
    assert doubted(first, Key(DAY, NOW + DAY / 2)).keyed_at == NOW


@pytest.mark.parametrize(
    ("provider", "lifetime", "passed", "marked"),
    [
        pytest.param("resend", DAY, timedelta(hours=1), False, id="same account, within the lifetime"),
        pytest.param("resend", DAY, DAY - MARGIN, True, id="too close to the end of the lifetime"),
        pytest.param("postmark", DAY, timedelta(hours=1), True, id="another account"),
        pytest.param("resend", None, timedelta(hours=1), True, id="the provider honours keys no more"),
    ],
)
def test_where_the_key_does_not_hold_the_next_attempt_is_marked(
    provider: str, lifetime: timedelta | None, passed: timedelta, marked: bool
) -> None:
    gone = lost(SENDING, NOW, WAIT, KEY)
    began = resumed(gone, provider, lifetime, NOW + passed)
    assert began.maybe_sent is marked
    assert (began.keyed_at is None) is marked


def test_a_key_that_lives_no_longer_than_a_claim_may_take_is_no_key() -> None:
    assert doubted(SENDING, Key(MARGIN, NOW)).maybe_sent


def test_once_in_doubt_without_a_key_a_later_key_does_not_lift_it() -> None:
    assert doubted(SENDING._replace(maybe_sent=True), KEY).keyed_at is None


def test_what_may_have_gone_out_stays_with_its_provider() -> None:
    assert pinned_to(SENDING) == ""
    assert pinned_to(doubted(SENDING, None)) == "resend"
    assert pinned_to(doubted(SENDING, KEY)) == "resend"


def test_a_replay_gets_a_new_key_so_the_doubt_comes_back() -> None:
    again = replayed(doubted(SENDING, KEY)._replace(state=State.DEAD), NOW)
    assert (again.generation, again.keyed_at, is_doubted(again), pinned_to(again)) == (1, None, True, "")


def test_the_id_sent_out_names_the_attempt_or_with_a_key_the_generation() -> None:
    message = OutboundMessage(UUID(int=1), 3, 2, Channel.EMAIL, "ada@example.com", Content())
    assert split_carillon_id(message.carillon_id) == (UUID(int=1), 3, None)
    keyed = replace(message, keyed=True)
    assert split_carillon_id(keyed.carillon_id) == (UUID(int=1), None, 2)
    assert replace(keyed, attempt=4).carillon_id == keyed.carillon_id


@pytest.mark.parametrize("value", ["", "x", "x.1", f"{UUID(int=1)}", f"{UUID(int=1)}.", f"{UUID(int=1)}.gg1",
                                   f"{UUID(int=1)}.-1", f"{UUID(int=1)}.99999"])  # fmt: skip
def test_other_ids_are_none_of_ours(value: str) -> None:
    assert split_carillon_id(value) is None
