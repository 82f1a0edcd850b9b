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
from notifications.flows.suppress import RAN_OUT, REPLACED, lift, lift_as_asked, suppress
from notifications.models import Delivery, Receipt, Suppression
from notifications.sandbox.process import SandboxProcess
from tests.api.test_webhooks import bounce, postmark, twilio
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


@pytest.mark.parametrize("told", ["ada@xn--mnchen-3ya.de", "Ada@XN--MNCHEN-3YA.DE", "ada@MÜNCHEN.de"])
@pytest.mark.parametrize("kind", ["HardBounce", "SpamComplaint"])
def test_what_is_reported_of_an_internationalised_domain_takes_hold(told: str, kind: str) -> None:
    """Emails go to the domain as "xn--...", and an ESP reports the mailbox so; we look it up as people write it."""
    record = "Bounce" if kind == "HardBounce" else kind
    assert postmark({**bounce(), "RecordType": record, "Type": kind, "Email": told}).status_code == 200
    while reconcile():
        pass
    assert Receipt.objects.get().address.lower() == "ada@münchen.de"
    sent = notify(Address(email="ada@münchen.de"), "login-code", {"code": "1"}, channels=["email"])
    row = Delivery.objects.get(notification_id=sent.pk)
    assert (row.state, row.reason) == ("skipped", "suppression")


def test_a_number_that_is_reported_in_another_spelling_is_the_same() -> None:
    stop = {
        "MessageSid": "SM" + "0" * 32,
        "AccountSid": "AC" + "0" * 32,
        "From": "+49 (0) 151 12000-777",
        "Body": "STOP",
    }
    assert twilio("/webhooks/twilio/", "http://testserver/webhooks/twilio/", stop).status_code == 200
    while reconcile():
        pass
    sent = notify(Address(sms=NUMBER), "login-code", {"code": "1"}, channels=["sms"])
    row = Delivery.objects.get(notification_id=sent.pk)
    assert (row.state, row.reason) == ("skipped", "suppression")


def test_what_is_no_address_to_us_stays_as_it_was_reported() -> None:
    assert postmark({**bounce(), "Email": "ada at home"}).status_code == 200
    receipt = Receipt.objects.get()
    assert (receipt.address, receipt.address_hash) == ("ada at home", address_hash("email", "ada at home"))


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
    suppress("sms", NUMBER, SuppressionCause.STOP, "first", expires_at=ends[first])
    suppress("sms", NUMBER, SuppressionCause.UNREACHABLE, "second", expires_at=ends[second])
    row = Suppression.objects.in_force().get()
    assert row.source == kept
    assert row.expires_at == ends[first if kept == "first" else second]


WEAK = ("stop", "unsubscribe", "soft_bounce", "unreachable")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *((weak, strong) for weak in WEAK for strong in ("hard_bounce", "complaint", "manual")),
        ("hard_bounce", "complaint"),
        ("hard_bounce", "manual"),
        ("complaint", "manual"),
    ],
)
def test_a_stronger_cause_takes_the_place_of_a_weaker_and_never_the_other_way(first: str, second: str) -> None:
    suppress("email", "ada@example.com", SuppressionCause(first), "first")
    suppress("email", "ada@example.com", SuppressionCause(second), "second")
    suppress("email", "ada@example.com", SuppressionCause(first), "third")
    old, new = Suppression.objects.order_by("pk")
    assert (old.cause, old.source, bool(old.lifted_at), old.lifted_reason) == (first, "first", True, REPLACED)
    assert (new.cause, new.source, new.lifted_at, new.expires_at) == (second, "second", None, None)


def test_of_equally_strong_causes_the_first_stays() -> None:
    for cause in (SuppressionCause.UNSUBSCRIBE, SuppressionCause.STOP, SuppressionCause.UNREACHABLE):
        suppress("sms", NUMBER, cause, cause)
    assert Suppression.objects.get().cause == "unsubscribe"


@pytest.mark.parametrize(
    ("first", "second"),
    [("manual", "stop"), ("stop", "manual"), ("complaint", "soft_bounce"), ("soft_bounce", "complaint")],
)
@pytest.mark.parametrize("endless", [0, 1])
def test_no_cause_ends_earlier_for_another(first: str, second: str, endless: int) -> None:
    """Neither is what a person asked for a week shortened, nor is a STOP forgotten when the week is over."""
    week = timezone.now() + timedelta(days=7)
    ends = [None if number == endless else week for number in (0, 1)]
    suppress("sms", NUMBER, SuppressionCause(first), first, expires_at=ends[0])
    suppress("sms", NUMBER, SuppressionCause(second), second, expires_at=ends[1])
    row = Suppression.objects.get(lifted_at=None)
    stronger = "manual" if "manual" in (first, second) else "complaint"
    assert (row.cause, row.source, row.expires_at) == (stronger, stronger, None)


def test_start_does_not_lift_a_complaint_that_came_after_stop() -> None:
    say(ReceiptKind.UNSUBSCRIBED, "1")
    suppress("sms", NUMBER, SuppressionCause.COMPLAINT, "twilio")
    say(ReceiptKind.RESUBSCRIBED, "2")
    assert Suppression.objects.in_force().get().cause == "complaint"


def test_start_from_a_number_that_was_called_dead_proves_that_it_lives(sandbox: SandboxProcess) -> None:
    suppress("sms", NUMBER, SuppressionCause.HARD_BOUNCE, "twilio")
    say(ReceiptKind.RESUBSCRIBED, "1")
    assert standing() == ("sent", "")


@pytest.mark.parametrize(("cause", "lifted"), [("unsubscribe", 1), ("hard_bounce", 0), ("complaint", 0), ("manual", 0)])
def test_what_an_esp_says_of_a_mailbox_lifts_no_bounce(cause: str, lifted: int) -> None:
    hashed = address_hash("email", "ada@example.com")
    suppress("email", "ada@example.com", SuppressionCause(cause), "email")
    assert lift_as_asked("email", hashed, "resubscribed at the ESP") == lifted


def test_taking_an_unsubscription_back_does_not_lift_the_bounce_that_came_after(
    sandbox: SandboxProcess, client: Client
) -> None:
    notify(Address(email="gone@example.com"), "order-shipped", {"number": "1", "total": 1.5, "items": []})
    work()
    headers = sandbox.client.messages(to="gone@example.com")[0].request["Headers"]
    link = next(item["Value"] for item in headers if item["Name"] == "List-Unsubscribe").strip("<>")
    page = link.removeprefix("http://testserver")
    client.post(page)
    suppress("email", "gone@example.com", SuppressionCause.HARD_BOUNCE, "email")
    client.post(page, {"action": "resubscribe"})
    assert Suppression.objects.in_force().get().cause == "hard_bounce"


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
