"""Receipts through the door and the worker, in every order and again and again: one end, one effect."""

from __future__ import annotations

import base64
import json
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import ReceiptKind, State
from notifications.flows.reconcile import reconcile
from notifications.models import AddressTrouble, Delivery, DeliveryEvent, Receipt, Suppression
from notifications.sandbox.credentials import WEBHOOK_SECRET
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
INVOICE = {"order": {"number": "A-1", "total": 3}}
SENT, ARRIVED, OPENED = ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.OPENED
FAILED, BOUNCED = ReceiptKind.UNDELIVERED, ReceiptKind.BOUNCED


def email(to: str) -> Delivery:
    """Send an email and return it as sent."""
    made = notify(Address(email=to), "invoice", INVOICE)
    work()
    row = Delivery.objects.get(notification=made)
    assert row.state == State.SENT
    return row


def copies(row: Delivery, count: int) -> list[UUID]:
    """Make more deliveries like one, all of which went out in a second attempt; return their ids."""
    base = row.pk.int & ~0xFFFF_FFFF
    made = []
    for number in range(count):
        row.pk = UUID(int=base | number)
        row.attempt = 2
        made.append(
            Delivery(**{field.attname: getattr(row, field.attname) for field in Delivery._meta.concrete_fields})
        )
    Delivery.objects.bulk_create(made)
    return [item.pk for item in made]


def tell(told: dict[UUID, tuple[ReceiptKind, int]], round_: int) -> None:
    """Let each delivery be reported on once, and reconcile."""
    now = timezone.now()
    Receipt.objects.bulk_create(
        Receipt(
            provider="email",
            event_key=f"{pk}:{kind}:{attempt}:{round_}",
            kind=kind,
            delivery_id=pk,
            attempt=attempt,
            received_at=now,
            due_at=now,
        )
        for pk, (kind, attempt) in told.items()
    )
    while reconcile():
        pass


@pytest.mark.parametrize(
    ("story", "end"),
    [
        ([(SENT, 1), (ARRIVED, 1), (SENT, 2), (FAILED, 2)], "delivered"),
        ([(FAILED, 1), (SENT, 2), (ARRIVED, 2), (OPENED, 2)], "opened"),
        pytest.param(
            [(SENT, 1), (ARRIVED, 1), (SENT, 2), (FAILED, 2), (OPENED, 2), (BOUNCED, 2)],
            "bounced",
            marks=pytest.mark.long,
        ),
        pytest.param(
            [(SENT, 1), (FAILED, 1), (BOUNCED, 1), (SENT, 2), (ARRIVED, 2), (OPENED, 1)],
            "opened",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_order_of_the_same_receipts_ends_alike(
    sandbox: SandboxProcess, story: list[tuple[ReceiptKind, int]], end: str
) -> None:
    """A delivery for each order, all told side by side; every second round the first receipt comes again."""
    orders = list(permutations(story))
    ids = copies(email("orders@example.com"), len(orders))
    for round_ in range(len(story)):
        tell({pk: order[round_] for pk, order in zip(ids, orders, strict=True)}, round_)
        if round_ % 2:
            tell({pk: order[0] for pk, order in zip(ids, orders, strict=True)}, 100 + round_)
    ends = set(
        Delivery.objects.filter(pk__in=ids).values_list(
            "state", "reason", "possible_duplicate", "error_code", "fallback_at"
        )
    )
    assert {state for state, *_ in ends} == {end}
    assert len(ends) == 1


def bounce(row: Delivery) -> Any:
    """Let Postmark report that an email bounced, through the door."""
    body = {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "MessageID": row.provider_message_id,
        "Email": row.address,
        "BouncedAt": "2026-11-22T12:00:00Z",
        "Metadata": {"carillon_id": f"{row.pk}.1"},
    }
    secret = base64.b64encode(WEBHOOK_SECRET.encode()).decode()
    headers = {"Authorization": f"Basic {secret}"}
    return Client().post("/webhooks/email/", json.dumps(body), content_type="application/json", headers=headers)


def effects(row: Delivery) -> tuple[object, ...]:
    """Return all that a receipt can lead to."""
    row.refresh_from_db()
    return (
        row.state,
        row.due_at,
        row.error_code,
        DeliveryEvent.objects.filter(delivery=row).count(),
        list(Suppression.objects.values_list("pk", "cause", "created_at")),
        list(AddressTrouble.objects.values_list("pk", "count")),
        list(Receipt.objects.values_list("pk", "verdict", "due_at")),
    )


@pytest.mark.parametrize("times", [20, pytest.param(1_000, marks=pytest.mark.long)])
def test_the_same_receipt_again_and_again_has_one_effect(sandbox: SandboxProcess, times: int) -> None:
    row = email("replayed@example.com")
    assert bounce(row).status_code == 200
    work()
    once = effects(row)
    assert (once[0], Suppression.objects.count(), Receipt.objects.count()) == ("bounced", 1, 1)
    for number in range(times):
        assert bounce(row).status_code == 200
        if number % 100 == 0:
            work()
    work()
    assert effects(row) == once
