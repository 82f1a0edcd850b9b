"""The protocol's corners: what is looked at again before sending, and what happens when things go wrong midway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import Channel, Lane, Reason, Source, State, SuppressionCause
from notifications.exceptions import IdempotencyConflict, InvalidData, UnknownRecipient, UnknownTemplate
from notifications.flows import cancel as cancelling
from notifications.flows import sweep as sweeping
from notifications.flows.claim import claim
from notifications.flows.declare import publish, words_of
from notifications.flows.deliver import deliver
from notifications.flows.people import load_people
from notifications.flows.plan import plan
from notifications.flows.replay import replay
from notifications.flows.suppress import suppress
from notifications.models import (
    Alert,
    Category,
    Claim,
    Delivery,
    DeliveryEvent,
    Device,
    Notification,
    Preference,
    ProviderHold,
    Receipt,
    Template,
)
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Make = Callable[..., User]
INVOICE = {"order": {"number": "A-1", "total": 3}}
LANES = tuple(Lane)


def only(notification: Notification) -> Delivery:
    """Return the one delivery of a notification."""
    return Delivery.objects.get(notification=notification)


def accepts_of(sandbox: SandboxProcess, delivery: Delivery) -> list[int]:
    """Return the attempts of a delivery that the provider took."""
    return [row.attempt or 0 for row in sandbox.client.messages() if row.delivery == str(delivery.pk)]


def test_the_same_key_leads_to_the_same_notification(person: Make) -> None:
    user = person("token-a-0001")
    first = notify(user, "new-follower", {"name": "A"}, idempotency_key="k")
    again = notify(user, "new-follower", {"name": "A"}, idempotency_key="k")
    assert first.pk == again.pk
    assert Delivery.objects.count() == 1
    with pytest.raises(IdempotencyConflict) as caught:
        notify(user, "new-follower", {"name": "B"}, idempotency_key="k")
    assert not caught.value.in_flight
    assert Notification.objects.count() == 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda user: notify(user, "login-cod", {"code": "1"}), UnknownTemplate, "login-code"),
        (lambda user: notify(user, "login-code", {}), InvalidData, "code"),
        (lambda user: notify(user, "login-code", {"code": 1}), InvalidData, "str"),
        (lambda user: notify(user, "login-code", {"code": "1", "coda": 2}), InvalidData, "coda"),
        (lambda user: notify(user, "login-code", {"code": "1"}, channels=["push"]), InvalidData, "push"),
        (lambda user: notify(user, "login-code", {"code": "1"}, ttl=0), InvalidData, "ttl"),
        (lambda user: notify(user, "login-code", {"code": "1"}, ttl="60"), InvalidData, "timedelta"),
        (lambda user: notify(user, "login-code", {"code": "1"}, send_at="tomorrow"), InvalidData, "datetime"),
        (lambda user: notify(user, "login-code", {"code": "1"}, send_at=datetime(2030, 1, 1)), InvalidData, "offset"),
        (lambda user: notify(user, "login-code", {"code": "1"}, idempotency_key=7), InvalidData, "text"),
        (lambda user: notify(User(), "login-code", {"code": "1"}), UnknownRecipient, "save the user first"),
        (lambda user: notify("99999999", "login-code", {"code": "1"}), UnknownRecipient, "user"),
        (lambda user: notify("x'; --", "login-code", {"code": "1"}), UnknownRecipient, "user"),
        (lambda user: notify(Address(email="nobody"), "invoice", INVOICE), UnknownRecipient, "email"),
        (lambda user: notify(Address(), "invoice", INVOICE), UnknownRecipient, "address"),
    ],
)
def test_bad_calls_say_what_is_wrong_and_store_nothing(
    person: Make, call: Callable[[User], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        call(person())
    assert words in str(caught.value)
    assert not Notification.objects.exists()


def test_who_opted_out_is_skipped_with_the_reason(sandbox: SandboxProcess, person: Make) -> None:
    user = person("token-b-0001")
    Preference.objects.create(recipient=f"u:{user.pk}", categories={"social": {"push": False}})
    delivery = only(notify(user, "new-follower", {"name": "A"}))
    assert (delivery.state, delivery.reason) == (State.SKIPPED, Reason.PREFERENCE)


def test_an_opt_out_after_acceptance_still_counts(sandbox: SandboxProcess, person: Make) -> None:
    user = person("token-c-0001")
    sent = notify(user, "new-follower", {"name": "A"})
    Preference.objects.create(recipient=f"u:{user.pk}", channels={"push": False})
    work()
    assert (only(sent).state, only(sent).reason) == (State.SKIPPED, Reason.PREFERENCE)


def test_quiet_hours_defer_in_the_recipients_zone(sandbox: SandboxProcess, person: Make) -> None:
    user = person("token-d-0001", zone="Asia/Kolkata")
    hour = timezone.now().astimezone(ZoneInfo("Asia/Kolkata")).hour
    window = {"start": f"{hour:02}:00", "end": f"{(hour + 3) % 24:02}:00"}
    Preference.objects.create(recipient=f"u:{user.pk}", quiet_hours=[window])
    delivery = only(notify(user, "new-follower", {"name": "A"}))
    assert (delivery.state, delivery.reason) == (State.PENDING, Reason.QUIET_HOURS)
    assert delivery.due_at > timezone.now()
    work()
    assert only(delivery.notification).state == State.PENDING


def test_a_mandatory_message_ignores_preference_and_quiet_hours_but_not_suppression(
    sandbox: SandboxProcess, person: Make
) -> None:
    user = person(phone="+4915112345001")
    always = [{"start": "00:00", "end": "12:00"}, {"start": "12:00", "end": "00:00"}]
    Preference.objects.create(recipient=f"u:{user.pk}", channels={"sms": False}, quiet_hours=always)
    first = notify(user, "login-code", {"code": "1"}, channels=["sms"])
    work()
    assert only(first).state == State.SENT
    suppress("sms", "+4915112345001", SuppressionCause.MANUAL, "test")
    second = notify(user, "login-code", {"code": "1"}, channels=["sms"])
    assert (only(second).state, only(second).reason) == (State.SKIPPED, Reason.SUPPRESSION)


def test_who_cannot_be_reached_on_the_first_channel_is_planned_for_the_fallback(person: Make) -> None:
    user = person(phone="not a number", email="fallback@example.com")
    sent = notify(user, "login-code", {"code": "1"})
    found = list(Delivery.objects.filter(notification=sent).order_by("step").values_list("channel", "state", "reason"))
    assert found == [("sms", "skipped", "no_address"), ("email", "pending", "new")]


def test_a_refusal_for_good_falls_back(sandbox: SandboxProcess, person: Make) -> None:
    user = person(phone="+15005550001", email="after-sms@example.com")
    sent = notify(user, "login-code", {"code": "1"})
    work()
    work()
    found = dict(Delivery.objects.filter(notification=sent).values_list("channel", "state"))
    assert found == {"sms": "failed", "email": "sent"}


def test_expired_codes_are_not_sent_at_all(sandbox: SandboxProcess, person: Make) -> None:
    sent = notify(person(), "login-code", {"code": "1"})
    Delivery.objects.filter(notification=sent).update(expires_at=timezone.now() - timedelta(seconds=1))
    work()
    assert (only(sent).state, accepts_of(sandbox, only(sent))) == (State.EXPIRED, [])


def test_a_cancelled_notification_is_not_sent(sandbox: SandboxProcess, person: Make) -> None:
    sent = notify(person("token-e-0001"), "new-follower", {"name": "A"}, send_at=timezone.now() + timedelta(hours=1))
    assert cancelling.cancel(sent.pk) == 1
    assert only(sent).state == State.CANCELLED


def test_a_cancel_between_claim_and_send_still_stops_it(sandbox: SandboxProcess, person: Make) -> None:
    sent = notify(person("token-f-0001"), "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, LANES, "test")
    Notification.objects.filter(pk=sent.pk).update(cancelled_at=Now())
    assert claimed.batch is not None
    deliver(claimed.batch, lambda: True)
    assert (only(sent).state, accepts_of(sandbox, only(sent))) == (State.CANCELLED, [])


def test_a_template_that_cannot_render_is_a_dead_letter_until_it_is_mended(sandbox: SandboxProcess) -> None:
    sent = notify(Address(email="mend@example.org", locale="en"), "invoice", {"order": {"number": "A-1"}})
    work()
    delivery = only(sent)
    assert (delivery.state, delivery.reason) == (State.DEAD, Reason.RENDER_ERROR)
    assert "total" in delivery.error_detail
    template = Template.objects.get(slug="invoice")
    words = words_of(template.current)
    words[Channel.EMAIL, "en"]["text"] = "Your invoice for {{ order.number }}."
    publish(template, words, Source.CONSOLE)
    assert replay([delivery.pk], actor="ada", reason="mended", dry_run=True).will_send == 1
    assert only(sent).state == State.DEAD
    assert replay([delivery.pk], actor="ada", reason="mended").will_send == 1
    assert replay([delivery.pk], actor="ada", reason="mended").will_send == 0
    work()
    assert (only(sent).state, only(sent).generation) == (State.SENT, 1)
    assert DeliveryEvent.objects.filter(delivery=delivery, actor="ada").exists()


def test_a_temporary_failure_is_retried_and_counted(sandbox: SandboxProcess) -> None:
    sent = notify(Address(email="flaky-a1@example.com"), "invoice", INVOICE)
    work()
    # Asked of the log: where the machine is slow, the retry may have come due within the same drain.
    first = DeliveryEvent.objects.filter(delivery=only(sent), attempt=1, reason=Reason.RETRY)
    assert [event.state for event in first] == [State.PENDING]
    Delivery.objects.filter(notification=sent).update(due_at=timezone.now())
    work()
    delivery = only(sent)
    # An ESP's 5xx does not exclude that it was carried out, so the second attempt may be a duplicate.
    assert (delivery.state, delivery.attempt, delivery.possible_duplicate) == (State.SENT, 2, True)


def test_no_trusted_answer_is_uncertain_then_sent_again_and_marked(sandbox: SandboxProcess, person: Make) -> None:
    sandbox.client.fault("twilio", "reset_after_accept")
    sent = notify(person(phone="+4915112345002"), "login-code", {"code": "1"}, channels=["sms"])
    work()
    delivery = only(sent)
    assert (delivery.state, delivery.reason, delivery.attempt) == (State.UNCERTAIN, Reason.NO_ANSWER, 1)
    sandbox.client.reset()
    Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now())
    sweeping.settle_uncertain()
    work()
    delivery = only(sent)
    assert (delivery.state, delivery.possible_duplicate, delivery.attempt) == (State.SENT, True, 2)
    assert sorted(accepts_of(sandbox, delivery)) == [1, 2]


def test_a_dead_workers_claim_returns_unstarted_rows_and_doubts_started_ones(
    sandbox: SandboxProcess, person: Make
) -> None:
    people = [person(f"token-lease-{n}") for n in range(3)]
    for user in people:
        notify(user, "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, LANES, "dead worker")
    assert claimed.batch is not None
    Claim.objects.update(started_upto=1, lease_expires_at=timezone.now() - timedelta(seconds=1))
    sweeping.expire_leases()
    states = list(Delivery.objects.order_by("position", "state").values_list("state", "attempt", "lost_leases"))
    assert sorted(states) == [("pending", 0, 0), ("pending", 0, 0), ("uncertain", 1, 1)]
    assert not Claim.objects.exists()
    # The worker was not dead after all: what it reports late settles the doubt, and nothing is sent beyond it.
    deliver(claimed.batch, lambda: True)
    assert Delivery.objects.filter(state=State.SENDING).count() == 0


def test_a_late_result_settles_an_uncertain_delivery(sandbox: SandboxProcess, person: Make) -> None:
    sent = notify(person("token-late-1"), "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, LANES, "slow worker")
    assert claimed.batch is not None

    def lose_the_lease_in_mid_send() -> None:
        Claim.objects.update(started_upto=1, lease_expires_at=timezone.now() - timedelta(seconds=1))
        sweeping.expire_leases()

    adapter = claimed.batch.adapter
    original = adapter.send_many

    def slow(messages: object, _: object) -> object:
        results = list(original(messages))  # type: ignore[arg-type]
        lose_the_lease_in_mid_send()
        return iter(results)

    adapter.send_many = slow  # type: ignore[method-assign]
    try:
        deliver(claimed.batch, lambda: True)
    finally:
        del adapter.send_many
    delivery = only(sent)
    assert (delivery.state, delivery.attempt, delivery.possible_duplicate) == (State.SENT, 1, False)


def test_what_kills_workers_goes_alone_and_is_dead_after_the_third(person: Make) -> None:
    notify(person("token-killer"), "new-follower", {"name": "A"})
    notify(person("token-bystander"), "new-follower", {"name": "A"})
    killer = Delivery.objects.get(address="token-killer")
    for lost in (1, 2, 3):
        Delivery.objects.exclude(pk=killer.pk).update(state=State.SENT)
        claimed = claim(Channel.PUSH, LANES, "w")
        assert claimed.batch is not None
        assert [row.pk for row in claimed.batch.deliveries] == [killer.pk]
        Claim.objects.update(started_upto=1, lease_expires_at=timezone.now() - timedelta(seconds=1))
        sweeping.expire_leases()
        Delivery.objects.filter(pk=killer.pk).update(due_at=timezone.now())
        sweeping.settle_uncertain()
        killer.refresh_from_db()
        assert killer.lost_leases == lost
    assert (killer.state, killer.reason) == (State.DEAD, Reason.WORKER_DIED)


def test_wrong_credentials_hold_the_provider_and_deactivate_nobody(sandbox: SandboxProcess, person: Make) -> None:
    sandbox.client.fault("fcm", "unauthorized")
    sent = notify(person("token-held-1"), "new-follower", {"name": "A"})
    work()
    assert (only(sent).state, only(sent).reason) == (State.PENDING, Reason.BREAKER_OPEN)
    assert ProviderHold.objects.filter(alias="fcm").exists()
    assert Alert.objects.filter(kind="provider_misconfigured", subject="fcm").count() == 1
    assert Device.objects.get(address="token-held-1").is_active


def test_secrets_are_encrypted_and_erased_when_nothing_can_follow(sandbox: SandboxProcess, person: Make) -> None:
    sent = notify(person(phone="+4915112345004"), "login-code", {"code": "c4n4ry"}, channels=["sms"])
    stored = Notification.objects.get(pk=sent.pk)
    assert stored.data == {}
    assert b"c4n4ry" not in bytes(stored.secrets or b"")
    sweeping.erase_secrets()
    assert Notification.objects.get(pk=sent.pk).secrets is not None
    work()
    sweeping.erase_secrets()
    # Taken, but the provider may yet say that it did not arrive: then it is sent again, or by email.
    assert Notification.objects.get(pk=sent.pk).secrets is not None
    Delivery.objects.filter(notification=sent).update(state=State.DELIVERED)
    sweeping.erase_secrets()
    assert Notification.objects.get(pk=sent.pk).secrets is None


def test_a_code_that_did_not_arrive_falls_back_with_its_code(sandbox: SandboxProcess, person: Make) -> None:
    user = person(phone="+4915112345005", email="undelivered-code@example.com")
    sent = notify(user, "login-code", {"code": "c4n4ry"})
    work()
    sweeping.erase_secrets()
    row = Delivery.objects.get(notification=sent)
    Receipt.objects.create(
        provider=row.provider,
        event_key="undelivered",
        kind="undelivered",
        delivery_id=row.pk,
        attempt=row.attempt,
        received_at=timezone.now(),
        due_at=timezone.now(),
    )
    work()
    work(Channel.EMAIL)
    assert "c4n4ry" in str(sandbox.client.messages(to="undelivered-code@example.com")[0].content)


def test_planning_again_changes_nothing(person: Make) -> None:
    user = person("token-again-1", "token-again-2")
    sent = notify(user, "new-follower", {"name": "A"})
    before = list(Delivery.objects.order_by("pk").values())
    category = Category.objects.get(slug="social")
    plan(sent, category, load_people([f"u:{user.pk}"]), Delivery.objects.database_now())
    assert list(Delivery.objects.order_by("pk").values()) == before


def test_only_to_keeps_everybody_else_out(sandbox: SandboxProcess, settings: object, person: Make) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ONLY_TO": ["example.org", "ada@example.com"]}  # type: ignore[attr-defined]
    outcomes = {}
    for address in ("ada@example.com", "eve@example.com", "x@example.org"):
        delivery = only(notify(Address(email=address), "invoice", INVOICE))
        outcomes[address] = (delivery.state, delivery.reason)
    assert outcomes == {
        "ada@example.com": ("pending", "new"),
        "eve@example.com": ("skipped", "guest_list"),
        "x@example.org": ("pending", "new"),
    }
