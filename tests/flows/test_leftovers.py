"""Leftovers: keys and receipts have an end, and what belongs to a delivery that is there has none of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifications import broadcast, notify
from notifications.enums import ReceiptKind
from notifications.flows import leftovers
from notifications.flows.cancel import cancel
from notifications.flows.control import cancel_broadcast
from notifications.flows.leftovers import forget_keys, forget_receipts
from notifications.models import IdempotencyKey, Receipt
from notifications.rules.identity import new_id

from .test_retention import DAY, made

pytestmark = pytest.mark.django_db


def ago(age: timedelta) -> datetime:
    return datetime.now(UTC) - age


def key(name: str, age: timedelta) -> None:
    row = IdempotencyKey.objects.create(owner="o", key=name, fingerprint="f", notification_id=new_id(), response={})
    IdempotencyKey.objects.filter(pk=row.pk).update(created_at=ago(age))


def receipt(name: str, age: timedelta, **values: Any) -> None:
    Receipt.objects.create(
        provider="fcm", event_key=name, kind=ReceiptKind.DELIVERED, received_at=ago(age), verdict="unknown", **values
    )


def test_keys_go_at_the_end_of_their_life(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 2)
    for number in range(5):
        key(f"old-{number}", 31 * DAY)
    key("young", 29 * DAY)
    assert forget_keys() == 5
    assert IdempotencyKey.objects.get().key == "young"
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RETENTION": {"idempotency_keys_days": None}}
    key("ancient", 999 * DAY)
    assert forget_keys() == 0
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RETENTION": {"idempotency_keys_days": 28}}
    assert forget_keys() == 2


def test_a_key_outlives_the_last_open_delivery(monkeypatch: pytest.MonkeyPatch, django_user_model: Any) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 1)
    user = django_user_model.objects.create(username="ada", email="ada@example.com")
    later = datetime.now(UTC) + 200 * DAY
    data = {"number": "A-1", "total": 1.0, "items": []}
    waiting = notify(user, "order-shipped", data, idempotency_key="waiting", send_at=later)
    draft = broadcast("new-post", {"all": True}, {"title": "x"}, idempotency_key="draft", draft=True)
    key("over", 31 * DAY)
    IdempotencyKey.objects.update(created_at=ago(31 * DAY))
    assert forget_keys() == 1
    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"waiting", "draft"}
    cancel(waiting.pk, actor="test")
    cancel_broadcast(draft.pk)
    assert forget_keys() == 2


def test_receipts_of_no_delivery_go_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 2)
    monkeypatch.setattr(leftovers, "_read_upto", 0)
    made(90 * DAY)
    matched = Receipt.objects.get().event_key
    for number in range(5):
        receipt(f"unnamed-{number}", 31 * DAY)
        receipt(f"gone-{number}", 31 * DAY, delivery_id=new_id())
    receipt("unread", 31 * DAY, due_at=ago(DAY))
    receipt("young", 29 * DAY)
    assert forget_receipts() == 10
    assert set(Receipt.objects.values_list("event_key", flat=True)) == {matched, "unread", "young"}
    assert forget_receipts() == 0


def test_the_next_turn_reads_on_where_the_last_one_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "BATCH", 1)
    monkeypatch.setattr(leftovers, "_read_upto", 0)
    monkeypatch.setattr(leftovers, "turns", lambda: iter([None]))
    made(90 * DAY)
    receipt("unnamed", 31 * DAY)
    assert [forget_receipts(), forget_receipts(), forget_receipts()] == [0, 1, 0]
    assert Receipt.objects.count() == 1
