"""The token of a phone's receipt: it names one attempt, ends after its days, and cannot be made up or changed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from notifications.messages import CarillonId
from notifications.rules.receipt_tokens import DAYS, LENGTH, read_receipt_token, receipt_token

DELIVERY = UUID("0192f0c1-2b3c-8d4e-8f50-6172839405a6")
SENT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize("number", [0, 1, 2, 32_767])
def test_it_names_the_attempt_or_the_generation(number: int) -> None:
    assert read_receipt_token(receipt_token(DELIVERY, number, SENT), SENT) == CarillonId(DELIVERY, number, None)
    keyed = receipt_token(DELIVERY, number, SENT, is_generation=True)
    assert read_receipt_token(keyed, SENT) == CarillonId(DELIVERY, None, number)


def test_it_is_short_fits_into_an_address_and_is_the_same_all_day() -> None:
    token = receipt_token(DELIVERY, 1, SENT)
    assert len(token) == LENGTH == 48
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token == receipt_token(DELIVERY, 1, SENT + timedelta(hours=5))


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        pytest.param(timedelta(days=DAYS), True, id="whenever on the day on which it was sent"),
        pytest.param(timedelta(days=DAYS, hours=5, minutes=29, seconds=59), True, id="until that day is over"),
        pytest.param(timedelta(days=DAYS, hours=5, minutes=30), False, id="and not on the next"),
        pytest.param(timedelta(days=400), False, id="nor ever after"),
    ],
)
def test_it_ends(later: timedelta, counts: bool) -> None:
    token = receipt_token(DELIVERY, 1, SENT)
    assert (read_receipt_token(token, SENT + later) is not None) is counts


def test_no_letter_of_it_can_be_changed() -> None:
    token = receipt_token(DELIVERY, 1, SENT)
    for at, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        assert read_receipt_token(token[:at] + other + token[at + 1 :], SENT) is None


@pytest.mark.parametrize("text", ["", "x", "é" * 48, "A" * 44, "A" * 48, "A" * 52, "A" * 10_000, "=" * 48, "a b" * 16])
def test_what_is_no_token_opens_nothing(text: str) -> None:
    assert read_receipt_token(text, SENT) is None


def test_padding_and_other_letters_make_no_second_token() -> None:
    token = receipt_token(DELIVERY, 1, SENT)
    raw = base64.urlsafe_b64decode(token)
    for text in (
        f"{token}====",
        f" {token}",
        f"{token[:4]}!{token[4:]}",
        base64.urlsafe_b64encode(raw + b"\x00").decode(),
    ):
        assert read_receipt_token(text, SENT) is None


def test_the_key_may_be_renewed_and_another_ones_is_of_no_use(settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ENCRYPTION_KEYS": ["old"]}
    token = receipt_token(DELIVERY, 1, SENT)
    for keys, counts in ((["new", "old"], True), (["new"], False)):
        settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ENCRYPTION_KEYS": keys}
        assert (read_receipt_token(token, SENT) is not None) is counts
