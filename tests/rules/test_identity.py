"""Ids that are keys."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.identity import (
    bounds_of,
    delivery_id,
    first_id_at,
    hash_recipient,
    new_id,
    time_of,
    user_key,
    user_recipient,
)

NOTIFICATION = uuid.UUID("019aac00-1111-7abc-8def-0123456789ab")
_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def test_a_delivery_has_one_id_for_ever() -> None:
    """Written down: changing how it is made would send every waiting delivery a second time."""
    assert str(delivery_id(NOTIFICATION, "u:1", "push", "t")) == "019aac00-1111-843e-a8c5-a2a5d48e6f5a"


def test_each_notification_recipient_channel_and_target_has_its_own() -> None:
    others = [uuid.UUID(int=NOTIFICATION.int + 1), NOTIFICATION]
    keys = list(product(others, ["u:1", "u:11", "a:1"], ["push", "sms"], ["", "1", "11"]))
    assert len({delivery_id(*key) for key in keys}) == len(keys)
    assert delivery_id(NOTIFICATION, "u:1", "push", "1x") != delivery_id(NOTIFICATION, "u:1", "push1", "x")


@given(st.uuids(version=4), st.text(max_size=20), st.sampled_from(["push", "sms", "email"]), st.text(max_size=20))
def test_it_keeps_the_time_and_says_what_it_is(
    notification: uuid.UUID, recipient: str, channel: str, target: str
) -> None:
    found = delivery_id(notification, recipient, channel, target)
    assert found.int >> 80 == notification.int >> 80
    assert found.version == 8
    assert found.variant == uuid.RFC_4122
    assert found == delivery_id(notification, recipient, channel, target)


def test_an_ids_hash_fills_its_74_bits() -> None:
    found = [delivery_id(NOTIFICATION, f"u:{number}", "push", "").int for number in range(2_000)]
    free = [bit for bit in range(80) if bit not in (62, 63, 76, 77, 78, 79)]
    assert len(free) == 74
    assert all(800 < sum(value >> bit & 1 for value in found) < 1_200 for bit in free)


@given(_MOMENTS)
def test_the_first_id_of_a_moment_is_exact(moment: datetime) -> None:
    to_the_millisecond = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert time_of(first_id_at(moment)) == to_the_millisecond
    assert first_id_at(moment) == first_id_at(to_the_millisecond)
    assert first_id_at(to_the_millisecond - timedelta(microseconds=1)) < first_id_at(to_the_millisecond)


@given(_MOMENTS, st.text(max_size=8))
def test_a_partition_holds_the_deliveries_of_its_notifications(moment: datetime, recipient: str) -> None:
    low, high = first_id_at(moment), first_id_at(moment + timedelta(weeks=1))
    for notification in (low, uuid.UUID(int=high.int - 1)):
        assert low <= delivery_id(notification, recipient, "push", "") < high
    assert delivery_id(high, recipient, "push", "") >= high


def test_new_ids_sort_by_age_and_know_their_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    assert before <= time_of(ids[0]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("recipient", "key"),
    [
        pytest.param("u:42", "42", id="a user"),
        pytest.param("u:u:42", "u:42", id="a key that looks like one of ours"),
        pytest.param("a:0f3e", None, id="somebody without an account"),
        pytest.param("", None, id="a broadcast"),
    ],
)
def test_user_key(recipient: str, key: str | None) -> None:
    assert user_key(recipient) == key
    assert key is None or user_recipient(key) == recipient


def test_the_deliveries_of_notifications_lie_within_their_times() -> None:
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    earlier, later = (first_id_at(moment + timedelta(milliseconds=offset)) for offset in (0, 7))
    assert bounds_of([later, earlier]) == (earlier, first_id_at(moment + timedelta(milliseconds=8)))
    assert bounds_of([uuid.UUID(int=earlier.int + 5)]) == (earlier, first_id_at(moment + timedelta(milliseconds=1)))


def test_whoever_has_an_address_is_known_by_a_part_of_its_hash() -> None:
    """Written down: with another one nobody without an account would be found again."""
    assert hash_recipient("0123456789abcdef" * 4) == "a:0123456789abcdef0123456789abcdef01234567"
