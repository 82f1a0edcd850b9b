"""Suppression: what is kept of it, how it ends, and who may end it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import Address, notify
from notifications.cipher import address_hash
from notifications.enums import ReceiptKind, SuppressionCause
from notifications.flows.reconcile import reconcile
from notifications.flows.suppress import RAN_OUT, lift, suppress
from notifications.models import Delivery, Receipt, Suppression
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
NUMBER = "+4915112000777"
HASH = address_hash("sms", NUMBER)


def standing(address: str = NUMBER) -> tuple[str, str]:
    """Ask for a code by SMS and return what became of it."""
    sent = notify(Address(sms=address), "login-code", {"code": "1"})
    work()
    row = Delivery.objects.get(notification_id=sent.pk, channel="sms")
    return row.state, row.reason


def say(kind: ReceiptKind, key: str) -> None:
    """Let a phone say STOP or START, as the provider reports it."""
    stop = SuppressionCause.STOP if kind == ReceiptKind.UNSUBSCRIBED else ""
    now = timezone.now()
    Receipt.objects.create(
        provider="twilio", event_key=key, kind=kind, address=NUMBER, address_hash=HASH, suppress=stop,
        received_at=now, due_at=now,
    )  # fmt: skip
    while reconcile():
        pass


def test_stop_suppresses_and_start_lifts(sandbox: SandboxProcess) -> None:
    say(ReceiptKind.UNSUBSCRIBED, "1")
    row = Suppression.objects.get()
    assert (row.cause, row.source, row.address_hash) == ("stop", "twilio", HASH)
    assert NUMBER not in row.hint
    assert standing() == ("skipped", "suppression")
    say(ReceiptKind.RESUBSCRIBED, "2")
    row.refresh_from_db()
    assert row.lifted_at
    assert row.lifted_reason == "START from the recipient"
    assert standing() == ("sent", "")


def test_start_does_not_lift_what_a_person_suppressed(sandbox: SandboxProcess) -> None:
    suppress("sms", NUMBER, SuppressionCause.MANUAL, "root")
    say(ReceiptKind.RESUBSCRIBED, "1")
    assert standing() == ("skipped", "suppression")
    assert lift("sms", HASH, "asked by letter") == 1
    assert standing() == ("sent", "")


def test_one_that_ran_out_holds_nothing_and_can_be_renewed(sandbox: SandboxProcess) -> None:
    past = timezone.now() - timedelta(hours=1)
    suppress("sms", NUMBER, SuppressionCause.MANUAL, "root", expires_at=past)
    assert standing() == ("sent", "")
    suppress("sms", NUMBER, SuppressionCause.STOP, "twilio")
    assert standing() == ("skipped", "suppression")
    old, new = Suppression.objects.order_by("pk")
    assert (old.cause, old.lifted_at, old.lifted_reason) == ("manual", past, RAN_OUT)
    assert (new.cause, new.lifted_at, new.expires_at) == ("stop", None, None)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(1, 2, "second", id="the later end"),
        pytest.param(2, 1, "first", id="the earlier end changes nothing"),
        pytest.param(1, None, "second", id="one without an end"),
        pytest.param(None, 1, "first", id="none is shortened"),
        pytest.param(None, None, "first", id="the first of two without an end"),
    ],
)
def test_one_that_runs_out_gives_way_to_a_longer_one(
    db: None, first: int | None, second: int | None, kept: str
) -> None:
    now = timezone.now()
    ends = {days: now + timedelta(days=days) if days else None for days in (first, second)}
    suppress("sms", NUMBER, SuppressionCause.HARD_BOUNCE, "first", expires_at=ends[first])
    suppress("sms", NUMBER, SuppressionCause.COMPLAINT, "second", expires_at=ends[second])
    row = Suppression.objects.in_force().get()
    assert row.source == kept
    assert row.expires_at == ends[first if kept == "first" else second]


def test_unsubscribing_again_after_it_ran_out(
    sandbox: SandboxProcess, client: Client, person: Callable[..., User]
) -> None:
    notify(Address(email="out@example.com"), "order-shipped", {"number": "1", "total": 1.5, "items": []})
    work()
    headers = sandbox.client.messages(to="out@example.com")[0].request["Headers"]
    link = next(item["Value"] for item in headers if item["Name"] == "List-Unsubscribe").strip("<>")
    suppress("email", "out@example.com", SuppressionCause.MANUAL, "root", expires_at=timezone.now())
    client.post(link.removeprefix("http://testserver"))
    assert Suppression.objects.in_force().get().cause == "unsubscribe"
