"""What a lying provider, a malicious user or a careless client must not be able to do."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import State
from notifications.exceptions import IdempotencyConflict, InvalidData
from notifications.flows.audiences import members
from notifications.flows.devices import MOST_DEVICES, Registration, register
from notifications.flows.launch import BroadcastRequest, launch
from notifications.flows.reconcile import reconcile
from notifications.models import Delivery, Device, Receipt
from notifications.sandbox.credentials import WEBHOOK_SECRET
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
INVOICE = {"order": {"number": "1", "total": 2}}


def receipt_for(delivery: Delivery, provider: str, kind: str, attempt: int) -> None:
    """Store what a provider claims about a delivery, and reconcile it."""
    now = timezone.now()
    Receipt.objects.create(
        provider=provider,
        event_key=f"{provider} {kind} {attempt}",
        kind=kind,
        delivery_id=delivery.pk,
        attempt=attempt,
        received_at=now,
        due_at=now,
    )
    reconcile()


@pytest.mark.parametrize("kind", ["delivered", "bounced", "undelivered"])
@pytest.mark.parametrize(
    ("provider", "attempt"), [("email", 0), ("email", 1), ("twilio", 0), ("twilio", 1), ("nobody", 1)]
)
def test_no_provider_settles_what_it_was_not_given(
    sandbox: SandboxProcess, person: Callable[..., User], kind: str, provider: str, attempt: int
) -> None:
    delivery = notify(person(phone="+4915112348001"), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    receipt_for(delivery, provider, kind, attempt)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt) == (State.PENDING, 0)
    work()
    delivery.refresh_from_db()
    assert delivery.state == State.SENT


def test_another_account_cannot_settle_what_was_sent(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    delivery = notify(person(phone="+4915112348002"), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    work()
    receipt_for(delivery, "email", "delivered", 1)
    delivery.refresh_from_db()
    assert delivery.state == State.SENT
    receipt_for(delivery, "twilio", "delivered", 1)
    delivery.refresh_from_db()
    assert delivery.state == State.DELIVERED


@pytest.mark.parametrize(
    "body",
    [
        '{"RecordType": "Bounce", "Email": "\\ud800@x.y", "MessageID": "\\ud800", "Type": "\\ud800", "ID": 1}',
        '{"RecordType": "Bounce", "Email": 5, "MessageID": "m", "Type": "HardBounce", "ID": 2}',
        '{"RecordType": "Bounce", "Email": ["a"], "MessageID": 7, "Type": "HardBounce", "ID": 3}',
        '{"RecordType": "Bounce", "Email": "a\\u0000@x.y", "MessageID": "\\u0000", "Type": "HardBounce", "ID": 4}',
        "[" * 200_000,
        '"text"',
        "{}",
    ],
)
def test_odd_callbacks_are_no_server_error(sandbox: SandboxProcess, client: Client, body: str) -> None:
    answer = client.post(
        "/webhooks/email/",
        body,
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(WEBHOOK_SECRET.encode()).decode()},
    )
    assert answer.status_code in (200, 400, 403), answer.content
    while reconcile():
        pass


@pytest.mark.parametrize("users", [[None], [True], [{}], [[]], [1e400], ["x" * 10_000], [10**30]])
def test_an_odd_list_of_users_is_refused_or_empty(db: None, users: list[object]) -> None:
    with contextlib.suppress(InvalidData):
        launch(BroadcastRequest("new-post", {"users": users}, {"title": "T"}))
        assert not list(members({"users": users}))


@pytest.mark.parametrize("other", [{"sms": "+4915112348009"}, {"locale": "de"}, {"time_zone": "Asia/Tokyo"}])
def test_a_changed_address_is_another_request(db: None, other: dict[str, str]) -> None:
    first = {"email": "same@example.com", "sms": "+4915112348008"}
    notify(Address(**first), "invoice", INVOICE, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        notify(Address(**{**first, **other}), "invoice", INVOICE, idempotency_key="k")


def test_nobody_takes_a_mailbox_away(person: Callable[..., User]) -> None:
    victim, attacker = person(), person()
    register(victim.pk, Registration(channel="email", address="Vic.Tim@example.com"))
    register(attacker.pk, Registration(channel="email", address="vic.tim@example.com"))
    assert Device.objects.get(user=victim).is_active


def test_a_signed_in_user_registers_push_devices_only(client: Client, person: Callable[..., User]) -> None:
    client.force_login(person())
    body = json.dumps({"channel": "sms", "address": "+4915112348010"})
    answer = client.post("/api/v1/users/me/devices/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "push_only"
    assert not Device.objects.exists()


def test_devices_of_one_user_do_not_grow_without_end(person: Callable[..., User]) -> None:
    user = person()
    for number in range(MOST_DEVICES + 3):
        register(user.pk, Registration(platform="android", address=f"token-many-{number:04d}"))
    active = Device.objects.filter(user=user, is_active=True)
    assert active.count() == MOST_DEVICES
    assert Device.objects.filter(user=user, deactivated_reason="too_many").count() == 3
    assert active.filter(address=f"token-many-{MOST_DEVICES + 2:04d}").exists()
