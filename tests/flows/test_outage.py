"""A provider's outage: the breaker opens, other channels take over, nothing is sent twice, and it closes by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import notify
from notifications.enums import Reason, State
from notifications.flows import gate
from notifications.flows import sweep as sweeping
from notifications.models import Category, Delivery
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
    work()
    assert gate.breaker("fcm").state().state == "open"
    return people


def test_an_open_breaker_parks_without_using_up_attempts(outage: list[User]) -> None:
    attempts = dict(Delivery.objects.values_list("pk", "attempt"))
    _make_due()
    work()
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
