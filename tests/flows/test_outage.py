"""A provider's outage: the breaker opens, other channels take over, nothing is sent twice, and it closes by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import Reason, State
from notifications.flows import gate
from notifications.flows import sweep as sweeping
from notifications.flows.release import release
from notifications.models import Alert, Category, Delivery
from notifications.sandbox.process import SandboxProcess
from tests.live import wait_for, work

pytestmark = pytest.mark.django_db
PEOPLE = 12


def _make_due() -> None:
    Delivery.objects.filter(state=State.PENDING).update(due_at=timezone.now())


@pytest.fixture
def outage(sandbox: SandboxProcess, person: Callable[..., User]) -> list[User]:
    """Twelve people with a push each, sent into an outage of FCM until its breaker is open."""
    sandbox.client.fault("fcm", "outage")
    people = [person(f"token-outage-{n:04d}", email=f"outage{n}@example.com") for n in range(PEOPLE)]
    for user in people:
        notify(user, "price-alert", {"product": "Bell"})

    def is_open() -> bool:
        # Once is enough, unless the machine is so slow that failures lie further apart than the breaker looks back.
        _make_due()
        work()
        return gate.breaker("fcm").state().state == "open"

    wait_for(is_open, "the breaker to open")
    return people


def test_an_open_breaker_parks_without_using_up_attempts(outage: list[User]) -> None:
    attempts = dict(Delivery.objects.values_list("pk", "attempt"))
    _make_due()
    work()
    assert Alert.objects.filter(kind="breaker_open", subject="fcm", acknowledged_at=None).count() == 1
    parked = Delivery.objects.filter(channel="push", state=State.PENDING)
    assert set(parked.values_list("reason", flat=True)) == {Reason.BREAKER_OPEN}
    assert dict(Delivery.objects.values_list("pk", "attempt")) == attempts


def test_another_channel_takes_over_when_patience_is_at_an_end(sandbox: SandboxProcess, outage: list[User]) -> None:
    _make_due()
    work()
    Delivery.objects.filter(fallback_at__isnull=False).update(fallback_at=timezone.now())
    sweeping.consider_fallbacks()
    work()
    found = Counter(Delivery.objects.values_list("channel", "state", "reason"))
    assert found == {("push", "cancelled", "fallback"): PEOPLE, ("email", "sent", ""): PEOPLE}
    arrived = Counter(row.to for row in sandbox.client.messages() if row.to.startswith("outage"))
    assert arrived == {user.email: 1 for user in outage}


def test_the_breaker_closes_by_itself_after_one_probe(sandbox: SandboxProcess, outage: list[User]) -> None:
    Category.objects.filter(slug="alerts").update(fallback=[])
    sandbox.client.reset()

    def all_sent() -> bool:
        _make_due()
        work()
        return not Delivery.objects.exclude(state=State.SENT).exists()

    wait_for(all_sent, "every push to be sent")
    assert gate.breaker("fcm").state().state == "closed"
    # FCM's 503 is an answer that does not exclude that the message went out, so each may be a duplicate.
    assert Delivery.objects.filter(possible_duplicate=True).count() == Delivery.objects.filter(attempt__gt=1).count()


@pytest.mark.parametrize(
    ("mode", "state", "doubt"),
    [("rate_limited", State.PENDING, False), ("outage", State.UNCERTAIN, True), ("reset", State.UNCERTAIN, True)],
)
def test_a_code_in_trouble_falls_back_before_the_breaker_opens(
    sandbox: SandboxProcess, person: Callable[..., User], mode: str, state: State, doubt: bool
) -> None:
    """One code alone never opens a breaker; patience runs all the same."""
    sandbox.client.fault("twilio", mode, retry_after=300)
    sent = notify(person(phone="+4915112347001", email="patient@example.com"), "login-code", {"code": "1"}, ttl=40)
    work()
    first = Delivery.objects.get(notification=sent)
    assert first.state == state
    assert first.fallback_at is not None
    assert first.fallback_at < first.expires_at
    Delivery.objects.update(fallback_at=timezone.now())
    sweeping.consider_fallbacks()
    work()
    found = {row.channel: row for row in Delivery.objects.filter(notification=sent)}
    assert (found["sms"].state, found["sms"].reason) == (State.CANCELLED, Reason.FALLBACK)
    assert (found["email"].state, found["email"].possible_duplicate) == (State.SENT, doubt)
    # What was given up is not sent again behind the fallback's back.
    sandbox.client.reset()
    Delivery.objects.update(due_at=timezone.now())
    sweeping.settle_uncertain()
    work()
    assert Delivery.objects.get(pk=first.pk).state == State.CANCELLED


def test_where_no_other_channel_reaches_anybody_the_message_keeps_waiting(sandbox: SandboxProcess) -> None:
    gate.hold("twilio", "maintenance", by="ada", lasting=timedelta(hours=1))
    sent = notify(Address(sms="+4915112347009"), "login-code", {"code": "1"})
    work()
    Delivery.objects.filter(fallback_at__isnull=False).update(fallback_at=timezone.now())
    sweeping.consider_fallbacks()
    found = dict(Delivery.objects.filter(notification=sent).values_list("channel", "state"))
    assert found == {"sms": State.PENDING, "email": State.SKIPPED}
    release("twilio")
    work()
    assert Delivery.objects.get(notification=sent, channel="sms").state == State.SENT
