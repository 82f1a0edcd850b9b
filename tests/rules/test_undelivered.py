"""What follows when a provider reports that what it had taken did not arrive."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from notifications.enums import Channel, Reason, ReceiptKind, State, SuppressionCause
from notifications.rules.transitions import ALLOWED
from notifications.rules.undelivered import SOFT_BOUNCES, Row, is_filtered_too_often, limit_of, tried_again
from tests.rules.standings import NOW, at

DRAW = random.Random(7)
FAILED = at(State.FAILED, Reason.REFUSED, attempt=1, maybe_sent=True, keyed_at=NOW, error_code="30008")
CARRIER = Row(retries=2, unreachable=False, misconfigured=False, used=0)
HANDSET = Row(retries=1, unreachable=True, misconfigured=False, used=0)


@pytest.mark.parametrize(
    ("row", "least", "most"),
    [
        (CARRIER, 1, 2),
        (Row(retries=2, unreachable=False, misconfigured=False, used=1), 2, 4),
        (HANDSET, 15, 30),
        (Row(retries=0, unreachable=False, misconfigured=True, used=1), 2, 4),
    ],
)
def test_it_is_tried_again_later_and_is_no_duplicate(row: Row, least: int, most: int) -> None:
    for _ in range(50):
        after = tried_again(FAILED, row, None, NOW, DRAW)
        assert (after.state, after.reason) == (State.PENDING, Reason.RETRY)
        assert timedelta(minutes=least) <= after.due_at - NOW <= timedelta(minutes=most)
    assert (after.maybe_sent, after.keyed_at, after.possible_duplicate) == (False, None, False)
    assert (after.generation, after.retries, after.error_code) == (1, 1, "30008")
    assert State.PENDING in ALLOWED[State.SENT]


@pytest.mark.parametrize(
    ("row", "minutes"),
    [
        (Row(retries=0, unreachable=False, misconfigured=False, used=0), None),
        (Row(retries=2, unreachable=False, misconfigured=False, used=2), None),
        (Row(retries=1, unreachable=True, misconfigured=False, used=1), None),
        (Row(retries=0, unreachable=False, misconfigured=True, used=2), None),
        (replace(CARRIER, overtaken=True), None),  # the recipient would get it on both channels
        (HANDSET, 10),  # a code that expires before the handset is asked again
    ],
)
def test_it_stays_failed(row: Row, minutes: int | None) -> None:
    expires_at = None if minutes is None else NOW + timedelta(minutes=minutes)
    assert tried_again(FAILED, row, expires_at, NOW, DRAW) == FAILED


def test_only_what_failed_is_tried_again() -> None:
    arrived = at(State.DELIVERED)
    assert tried_again(arrived, CARRIER, None, NOW, DRAW) == arrived


@pytest.mark.parametrize(
    ("kind", "channel", "after", "count", "cause"),
    [
        (ReceiptKind.UNDELIVERED, Channel.SMS, 3, 3, SuppressionCause.UNREACHABLE),
        (ReceiptKind.SOFT_BOUNCED, Channel.EMAIL, 0, 5, SuppressionCause.SOFT_BOUNCE),
        (ReceiptKind.DEFERRED, Channel.EMAIL, 0, 5, SuppressionCause.SOFT_BOUNCE),
    ],
)
def test_what_counts_towards_a_limit(
    kind: ReceiptKind, channel: Channel, after: int, count: int, cause: SuppressionCause
) -> None:
    limit = limit_of(kind, channel, after)
    assert limit is not None
    assert (limit.count, limit.cause) == (count, cause)


def test_what_does_not() -> None:
    assert SOFT_BOUNCES.within == timedelta(days=7)
    for kind in ReceiptKind:
        if kind not in (ReceiptKind.DEFERRED, ReceiptKind.SOFT_BOUNCED):
            assert limit_of(kind, Channel.EMAIL, 0) is None
    # One report is enough for these: they deactivate at once.
    assert limit_of(ReceiptKind.UNDELIVERED, Channel.SMS, 1) is None


@pytest.mark.parametrize(
    ("filtered", "total", "expected"),
    [(19, 19, False), (20, 20, True), (20, 400, True), (20, 401, False), (500, 9_000, True), (0, 0, False)],
)
def test_the_rate_of_filtered_messages(filtered: int, total: int, expected: bool) -> None:
    assert is_filtered_too_often(filtered, total) is expected
