"""What a provider reports of a message that it had taken: another attempt, a device less, an address left alone."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from twilio.request_validator import RequestValidator

from notifications import Address, notify
from notifications.enums import DeactivatedReason, NotificationStatus, Reason, State, SuppressionCause
from notifications.flows import cancel as cancelling
from notifications.flows import gate, watch
from notifications.flows import sweep as sweeping
from notifications.flows.devices import Registration, register
from notifications.flows.receive import receive
from notifications.flows.reconcile import reconcile
from notifications.flows.status import status_of
from notifications.flows.suppress import suppress
from notifications.messages import WebhookRequest
from notifications.models import (
    AddressTrouble,
    Alert,
    Category,
    Delivery,
    DeliveryEvent,
    Notification,
    ProviderHold,
    Receipt,
    Suppression,
    Template,
)
from notifications.sandbox import credentials
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_secret")]
Make = Callable[..., User]
INVOICE = {"order": {"number": "A-1", "total": 3}}
NUMBER = "+4915112341001"
_sids = itertools.count(1)


def report(row: Delivery, status: str = "undelivered", code: str = "") -> Receipt:
    """Let Twilio report of a delivery's latest attempt; return the receipt once it is reconciled."""
    sid = f"SM{next(_sids):032}"
    url = f"https://example.com/webhooks/twilio/?carillon_id={row.pk}.{row.attempt}"
    form = {"MessageSid": sid, "MessageStatus": status, "To": row.address, **({"ErrorCode": code} if code else {})}
    signature = RequestValidator(credentials.TWILIO_AUTH_TOKEN).compute_signature(url, form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert receive("twilio", WebhookRequest(url, "POST", headers, urlencode(form).encode())) == 1
    while reconcile():
        pass
    row.refresh_from_db()
    return Receipt.objects.get(event_key=f"{sid}:{status}")


def soft_bounce(row: Delivery, kind: str = "SoftBounce") -> None:
    """Let Postmark report a bounce of an email."""
    body = {
        "RecordType": "Bounce" if kind else "Delivery",
        "ID": next(_sids),
        "Type": kind,
        "TypeCode": 4096,
        "MessageID": row.provider_message_id,
        "Email": row.address,
        "Recipient": row.address,
        "BouncedAt": "2026-11-22T12:00:00Z",
        "DeliveredAt": "2026-11-22T12:00:00Z",
        "Metadata": {"carillon_id": f"{row.pk}.{row.attempt}"},
    }
    secret = b64encode(credentials.WEBHOOK_SECRET.encode()).decode()
    request = WebhookRequest(
        "https://example.com/webhooks/email/",
        "POST",
        {"Authorization": f"Basic {secret}", "Content-Type": "application/json"},
        json.dumps(body).encode(),
    )
    receive("email", request)
    while reconcile():
        pass


def sms(to: str = NUMBER, ttl: int = 7_200) -> Delivery:
    """Send an SMS and return it as sent."""
    made = notify(Address(sms=to), "login-code", {"code": "1"}, channels=["sms"], ttl=ttl)
    work()
    row = Delivery.objects.get(notification=made)
    assert row.state == State.SENT
    return row


@pytest.fixture
def no_secret(sandbox: SandboxProcess) -> None:
    """Codes are no secret here, so that they are not erased once they are sent."""
    Template.objects.filter(slug="login-code").update(sensitive=[])


def sent_of(sandbox: SandboxProcess, row: Delivery) -> int:
    """Return how often Twilio took a delivery."""
    return sum(item.delivery == str(row.pk) for item in sandbox.client.messages(to=row.address))


def due(row: Delivery) -> None:
    """Let a delivery be due now, and work."""
    Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now())
    work()
    row.refresh_from_db()


def test_a_carriers_excuse_is_tried_again_twice_and_is_no_duplicate(sandbox: SandboxProcess) -> None:
    row = sms()
    for attempt in (1, 2):
        assert report(row, code="30008").verdict == "retried"
        assert (row.state, row.reason, row.attempt) == (State.PENDING, Reason.RETRY, attempt)
        assert row.due_at > timezone.now() + timedelta(seconds=50)
        due(row)
        assert (row.state, row.attempt, row.possible_duplicate) == (State.SENT, attempt + 1, False)
    assert report(row, code="30008").verdict == "applied"
    assert (row.state, row.error_code, row.possible_duplicate) == (State.FAILED, "30008", False)
    assert sent_of(sandbox, row) == 3
    assert DeliveryEvent.objects.filter(delivery=row, state=State.PENDING, code="30008").count() == 2


def test_a_handset_out_of_reach_is_asked_once_more_and_later() -> None:
    row = sms()
    report(row, code="30003")
    assert row.state == State.PENDING
    assert row.due_at > timezone.now() + timedelta(minutes=14)
    due(row)
    report(row, code="30003")
    assert row.state == State.FAILED


def test_a_receipt_that_is_told_again_retries_nothing(sandbox: SandboxProcess) -> None:
    row = sms()
    report(row, code="30008")
    report(row, "failed", code="30008")
    assert (row.state, row.retries) == (State.PENDING, 1)
    # The first attempt arrived after all: what waits for the second is over.
    report(row, "delivered")
    assert row.state == State.DELIVERED
    due(row)
    assert sent_of(sandbox, row) == 1


def test_what_expires_or_is_cancelled_is_not_tried_again() -> None:
    brief = sms(ttl=600)
    report(brief, code="30003")
    assert (brief.state, brief.reason) == (State.FAILED, Reason.REFUSED)
    other = sms("+4915112341002")
    Notification.objects.filter(pk=other.notification_id).update(cancelled_at=timezone.now())
    report(other, code="30008")
    assert other.state == State.FAILED
    final = sms("+4915112341003")
    report(final, code="30004")
    assert final.state == State.FAILED


def test_a_code_is_kept_until_it_is_confirmed_and_can_be_tried_again() -> None:
    Template.objects.filter(slug="login-code").update(sensitive=["code"])
    row = sms()
    sweeping.erase_secrets()
    report(row, code="30001")
    assert (row.state, row.reason) == (State.PENDING, Reason.RETRY)


def test_a_code_whose_secret_is_erased_is_not_tried_again() -> None:
    Template.objects.filter(slug="login-code").update(sensitive=["code"])
    row = sms()
    Notification.objects.update(secrets=None)
    report(row, code="30001")
    assert row.state == State.FAILED


def test_the_next_channel_and_the_retry_never_both(sandbox: SandboxProcess, person: Make) -> None:
    user = person(phone=NUMBER, email="either@example.com")
    made = notify(user, "login-code", {"code": "1"}, ttl=7_200)
    work()
    row = Delivery.objects.get(notification=made)
    report(row, code="30003")
    assert row.state == State.PENDING
    assert row.fallback_at is not None
    assert row.fallback_at < row.due_at, "patience is shorter than a handset's"
    Delivery.objects.filter(pk=row.pk).update(fallback_at=timezone.now())
    sweeping.consider_fallbacks()
    due(row)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.FALLBACK)
    email = Delivery.objects.get(notification=made, channel="email")
    assert (email.state, email.possible_duplicate) == (State.SENT, False)
    assert sent_of(sandbox, row) == 1


@pytest.fixture
def replaced(person: Make) -> Delivery:
    """An SMS that was sent, never confirmed, and replaced by an email."""
    Category.objects.update(fallback_after=timedelta(seconds=30))
    made = notify(person(phone=NUMBER, email="either@example.com"), "login-code", {"code": "1"}, ttl=7_200)
    work()
    row = Delivery.objects.get(notification=made)
    Delivery.objects.filter(pk=row.pk, state=State.SENT).update(fallback_at=timezone.now())
    sweeping.consider_fallbacks()
    work()
    assert dict(made.deliveries.values_list("channel", "state")) == {"sms": "sent", "email": "sent"}
    # Nobody looks at the email again, so that only the SMS can keep the notification from its end.
    made.deliveries.filter(channel="email").update(fallback_at=None)
    return row


@pytest.mark.parametrize("state", [State.SENT, State.CANCELLED, State.UNCERTAIN])
def test_a_report_on_a_channel_that_was_given_up_sets_no_timer(replaced: Delivery, state: State) -> None:
    Delivery.objects.filter(pk=replaced.pk).update(state=state, fallback_at=None)
    kind = "undelivered" if state == State.SENT else "bounced"
    Receipt.objects.create(
        provider="twilio", event_key="late", kind=kind, delivery_id=replaced.pk, received_at=timezone.now(),
        due_at=timezone.now() - timedelta(seconds=1),
    )  # fmt: skip
    assert reconcile() == 1
    replaced.refresh_from_db()
    assert (replaced.state, replaced.fallback_at) == (State.FAILED if state == State.SENT else State.BOUNCED, None)
    made = Notification.objects.get(pk=replaced.notification_id)
    assert status_of(made, list(made.deliveries.all())) == NotificationStatus.DONE


def test_a_timer_of_a_channel_that_was_given_up_is_cleared(replaced: Delivery) -> None:
    for state in (State.FAILED, State.CANCELLED):
        Delivery.objects.filter(pk=replaced.pk).update(state=state, fallback_at=timezone.now())
        sweeping.consider_fallbacks()
        replaced.refresh_from_db()
        assert replaced.fallback_at is None


@pytest.mark.parametrize("code", ["30001", "30003", "30008"])
def test_what_another_channel_has_replaced_is_not_tried_again(replaced: Delivery, code: str) -> None:
    email = Delivery.objects.filter(notification=replaced.notification_id, channel="email")
    for state in (State.PENDING, State.SENT, State.DELIVERED):
        email.update(state=state)
        Delivery.objects.filter(pk=replaced.pk).update(state=State.SENT)
        assert report(replaced, code=code).verdict == "applied"
        assert (replaced.state, replaced.reason, replaced.fallback_at) == (State.FAILED, Reason.REFUSED, None)
    assert email.count() == 1


def test_where_the_other_channel_failed_too_it_is_tried_again(replaced: Delivery) -> None:
    Delivery.objects.filter(notification=replaced.notification_id, channel="email").update(state=State.BOUNCED)
    assert report(replaced, code="30008").verdict == "retried"
    assert (replaced.state, replaced.fallback_at) == (State.PENDING, None)


def test_three_in_a_row_cost_the_device_and_one_that_arrives_forgives(person: Make) -> None:
    user = person()
    device, _ = register(user.pk, Registration(channel="sms", address=NUMBER))
    for code in ("30003", "30003", "", "30003", "30003", "30003"):
        row = sms()
        assert device.is_active
        report(row, "undelivered" if code else "delivered", code=code)
        device.refresh_from_db()
        assert AddressTrouble.objects.exists() == bool(code and device.is_active)
        Delivery.objects.filter(state=State.PENDING).update(state=State.CANCELLED)
    assert (device.is_active, device.deactivated_reason) == (False, DeactivatedReason.UNREACHABLE)
    assert device.deactivated_by == "twilio"
    assert not Suppression.objects.exists()
    assert not AddressTrouble.objects.exists()


def test_a_number_without_a_device_is_left_alone_for_a_while() -> None:
    for _ in range(3):
        row = sms()
        report(row, code="30003")
        Delivery.objects.filter(state=State.PENDING).update(state=State.CANCELLED)
    found = Suppression.objects.get()
    assert found.cause == SuppressionCause.UNREACHABLE
    assert found.expires_at is not None
    again = notify(Address(sms=NUMBER), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    assert (again.state, again.reason) == (State.SKIPPED, Reason.SUPPRESSION)
    Suppression.objects.update(expires_at=timezone.now())
    assert sms().state == State.SENT


def test_a_dead_number_costs_the_device_unless_it_was_registered_since(person: Make) -> None:
    user = person()
    first, _ = register(user.pk, Registration(channel="sms", address="+4915112341005"))
    again, _ = register(user.pk, Registration(channel="sms", address="+4915112341006"))
    rows = [sms("+4915112341005"), sms("+4915112341006")]
    register(user.pk, Registration(channel="sms", address="+4915112341006"))
    for row in rows:
        report(row, code="30005")
    first.refresh_from_db()
    again.refresh_from_db()
    assert (first.is_active, first.deactivated_reason) == (False, DeactivatedReason.UNREGISTERED)
    assert again.is_active
    assert not Suppression.objects.exists()


def test_a_dead_number_without_a_device_is_suppressed() -> None:
    report(sms(), code="30005")
    found = Suppression.objects.get()
    assert (found.cause, found.source, found.expires_at) == (SuppressionCause.HARD_BOUNCE, "twilio", None)
    again = notify(Address(sms=NUMBER), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    assert (again.state, again.reason) == (State.SKIPPED, Reason.SUPPRESSION)


def test_an_account_that_is_suspended_under_way_holds_the_provider() -> None:
    row = sms()
    report(row, code="30002")
    assert ProviderHold.objects.get().alias == "twilio"
    assert Alert.objects.get(kind="provider_misconfigured").subject == "twilio"
    assert (row.state, row.reason) == (State.PENDING, Reason.RETRY)
    due(row)
    assert (row.state, row.reason) == (State.PENDING, Reason.BREAKER_OPEN)
    gate.end_hold("twilio")
    due(row)
    assert (row.state, row.attempt, row.possible_duplicate) == (State.SENT, 2, False)


def test_soft_bounces_of_several_messages_suppress_for_a_while() -> None:
    address = "full@example.com"
    for number in range(5):
        assert not Suppression.objects.exists(), number
        made = notify(Address(email=address), "invoice", INVOICE)
        work()
        row = Delivery.objects.get(notification=made)
        soft_bounce(row)
        soft_bounce(row)  # the same message, which the ESP goes on trying
        row.refresh_from_db()
        assert row.state == State.SENT, "the ESP retries, we do not"
    found = Suppression.objects.get()
    assert found.cause == SuppressionCause.SOFT_BOUNCE
    assert found.expires_at is not None
    # Whoever complains is left alone for good.
    suppress("email", address, SuppressionCause.COMPLAINT, "email")
    assert Suppression.objects.get(lifted_at=None).expires_at is None


def test_a_mail_that_arrives_makes_up_for_soft_bounces() -> None:
    address = "moody@example.com"
    for kind in ("SoftBounce", "SoftBounce", "SoftBounce", "SoftBounce", "", "SoftBounce"):
        made = notify(Address(email=address), "invoice", INVOICE)
        work()
        soft_bounce(Delivery.objects.get(notification=made), kind)
    assert not Suppression.objects.exists()
    assert AddressTrouble.objects.get().count == 1


def test_content_filters_raise_an_alert_by_their_rate() -> None:
    report(sms(), code="30007")
    now = timezone.now()
    made = [
        Receipt(provider="twilio", event_key=f"f{n}", kind="undelivered", filtered=True, received_at=now)
        for n in range(19)
    ]
    made += [Receipt(provider="twilio", event_key=f"d{n}", kind="delivered", received_at=now) for n in range(380)]
    Receipt.objects.bulk_create(made)
    watch.watch_filters()
    assert "20 of the last hour's 400" in Alert.objects.get(kind="content_filtered").detail
    Alert.objects.all().delete()
    Receipt.objects.create(provider="twilio", event_key="more", kind="delivered", received_at=now)
    watch.watch_filters()
    assert not Alert.objects.exists()


def test_a_retry_that_waits_can_be_cancelled() -> None:
    row = sms()
    report(row, code="30008")
    cancelling.cancel(row.notification_id, actor="ada")
    row.refresh_from_db()
    assert row.state == State.CANCELLED
