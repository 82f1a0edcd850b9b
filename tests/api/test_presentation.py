"""Presentation: the fields of every answer stand in the document's order, those of a stored answer too."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.api import presentation
from notifications.api.presentation import in_order
from tests.api.conftest import Caller, login_code
from tests.api.described import document
from tests.api.test_broadcasts import body


@pytest.mark.parametrize(
    ("part", "order"),
    [
        ("Notification", presentation.NOTIFICATION_FIELDS),
        ("Delivery", presentation.DELIVERY_FIELDS),
        ("Broadcast", presentation.BROADCAST_FIELDS),
        ("Counts", presentation.COUNT_FIELDS),
    ],
)
def test_the_order_is_the_documents(part: str, order: tuple[str, ...]) -> None:
    assert tuple(document()["components"]["schemas"][part]["properties"]) == order


def test_a_repeat_is_the_same_bytes(call: Caller, person: Any) -> None:
    user = person()
    once = call.notify(login_code(user))
    assert call.notify(login_code(user)).content == once.content
    assert tuple(once.json()) == presentation.NOTIFICATION_FIELDS
    assert tuple(once.json()["deliveries"][0]) == presentation.DELIVERY_FIELDS
    items = {"items": [{**login_code(user), "idempotency_key": f"item {number}"} for number in range(2)]}
    first, again = (call("POST", "notifications/batch/", items) for _ in range(2))
    assert again.content == first.content.replace(b'"replayed":false', b'"replayed":true')


def test_a_repeated_broadcast_is_the_same_bytes(call: Caller, person: Any) -> None:
    asked = body([person()], rate=50)
    first, again = (call("POST", "broadcasts/", asked, Idempotency_Key="b1") for _ in range(2))
    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert tuple(first.json()) == presentation.BROADCAST_FIELDS


def test_what_an_earlier_version_stored_is_kept_whole() -> None:
    assert in_order(None) is None
    stored = {"was": 1, "id": "i", "also": 2, "deliveries": [{"more": 3, "id": "d"}]}
    assert list(in_order(stored)) == ["id", "deliveries", "also", "was"]  # type: ignore[call-overload]
    assert in_order(stored) == stored
