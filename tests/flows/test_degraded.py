"""A provider that takes messages and does not deliver them is noticed, and another takes over where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import Address, notify
from notifications.enums import ReceiptKind
from notifications.flows import degraded, gate
from notifications.flows.reconcile import reconcile
from notifications.models import Alert, Delivery, ProviderHold, Receipt
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import connection
from tests.live import work

pytestmark = pytest.mark.django_db
Make = Callable[..., User]
INVOICE = {"order": {"number": "A-1", "total": 3}}
WITHIN = 300


def option(settings: Any, alias: str, **options: object) -> None:
    """Set options of a provider."""
    providers = settings.NOTIFICATIONS["PROVIDERS"]
    entry = {**providers[alias], "OPTIONS": {**providers[alias]["OPTIONS"], **options}}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": {**providers, alias: entry}}
    registry.reset()


def minute_now() -> int:
    return int(timezone.now().timestamp() // 60)


def history(alias: str = "email", channel: str = "email", *, now: int = 0, delivered: int = 0, closed: int = 7) -> None:
    """Write roll-ups: nine in ten delivered all day, and `delivered` of `now` in each of the latest closed minutes."""
    latest = minute_now() - closed
    counts = {}
    for minute in range(latest - 300, latest - 20):
        counts |= {f"s{minute}": 10, f"d{minute}": 9}
    for minute in range(latest - 4, latest + 2):
        counts |= {f"s{minute}": now, f"d{minute}": delivered}
    connection(channel).hset(degraded.KEY % alias, mapping=counts)


def test_what_is_sent_and_delivered_is_counted_in_the_minute_of_sending(sandbox: SandboxProcess) -> None:
    made = [notify(Address(email=f"silent-{n}@example.com"), "invoice", INVOICE) for n in range(3)]
    work()
    key = degraded.KEY % "email"
    sent = {name: int(value) for name, value in connection("email").hgetall(key).items()}
    assert sum(sent.values()) == 3
    long_ago = timezone.now() - timedelta(minutes=30)
    row = Delivery.objects.get(notification=made[0])
    Delivery.objects.filter(pk=row.pk).update(sent_at=long_ago)
    for kind in (ReceiptKind.DELIVERED, ReceiptKind.OPENED):
        Receipt.objects.create(
            provider="email", event_key=kind, kind=kind, delivery_id=row.pk, attempt=1,
            received_at=timezone.now(), due_at=timezone.now(),
        )  # fmt: skip
        reconcile()
    found = {name.decode(): int(value) for name, value in connection("email").hgetall(key).items()}
    assert {name: value for name, value in found.items() if name.startswith("d")} == {
        f"d{int(long_ago.timestamp() // 60)}": 1
    }
    assert connection("email").ttl(key) > 0


def test_push_reports_no_delivery_and_is_not_counted(sandbox: SandboxProcess, person: Make) -> None:
    notify(person("token-uncounted"), "new-follower", {"name": "A"})
    work()
    assert not connection("push").exists(degraded.KEY % "fcm")


def test_a_share_that_falls_raises_one_alert(sandbox: SandboxProcess) -> None:
    history(now=20, delivered=18)
    degraded.watch_degraded()
    assert not Alert.objects.exists()
    history(now=20, delivered=2)
    degraded.watch_degraded()
    degraded.watch_degraded()
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject, alert.count) == ("provider_degraded", "email", 2)
    assert "10% of 100 messages" in alert.detail
    assert not ProviderHold.objects.exists(), "nobody fails over unless it is asked for"


def test_what_was_just_sent_has_time_to_arrive(sandbox: SandboxProcess) -> None:
    history(now=20, delivered=2, closed=3)
    latest = minute_now()
    connection("email").hset(degraded.KEY % "email", mapping={f"d{latest - n}": 18 for n in range(6, 9)})
    degraded.watch_degraded()
    assert not Alert.objects.exists()


def test_not_watched(sandbox: SandboxProcess, settings: Any) -> None:
    option(settings, "email", receipts_within=None)
    history(now=20, delivered=0)
    degraded.watch_degraded()
    assert not Alert.objects.exists()
    connection("email").flushdb()
    notify(Address(email="silent-9@example.com"), "invoice", INVOICE)
    work()
    assert not connection("email").exists(degraded.KEY % "email")


def test_it_fails_over_only_where_another_provider_takes_over(sandbox: SandboxProcess, settings: Any) -> None:
    option(settings, "email", failover_when_degraded=True)
    history(now=20, delivered=0)
    degraded.watch_degraded()
    assert Alert.objects.get().kind == "provider_degraded"
    assert not ProviderHold.objects.exists()
    second = settings.NOTIFICATIONS["PROVIDERS"]["email"]
    settings.NOTIFICATIONS = {
        **settings.NOTIFICATIONS,
        "PROVIDERS": {**settings.NOTIFICATIONS["PROVIDERS"], "email2": second},
        "ROUTES": {**settings.NOTIFICATIONS["ROUTES"], "email": ["email", "email2"]},
    }
    degraded.watch_degraded()
    hold = ProviderHold.objects.get()
    assert (hold.alias, hold.held_by) == ("email", "degraded")
    assert "held for 10 minutes" in Alert.objects.get().detail
    made = notify(Address(email="silent-7@example.com"), "invoice", INVOICE)
    work()
    assert Delivery.objects.get(notification=made).provider == "email2"


def test_after_its_hold_the_same_minutes_do_not_hold_it_again(sandbox: SandboxProcess, settings: Any) -> None:
    history(now=20, delivered=0)
    gate.hold("email", "degraded", by="degraded", lasting=timedelta(minutes=-6))
    degraded.watch_degraded()
    assert not Alert.objects.exists()


def test_without_redis_nobody_is_accused_and_nothing_breaks(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    history(now=20, delivered=0)
    monkeypatch.setattr(degraded, "connection", lambda _: Redis(port=1, retry=Retry(NoBackoff(), 0)))
    adapter = gate.adapter("email")
    row = Delivery(state="sent", sent_at=timezone.now())
    monkeypatch.setattr(degraded, "_resting_until", float("-inf"))
    with django_assert_num_queries(0):
        degraded.count_sent(adapter, [row])  # type: ignore[list-item]
    degraded.watch_degraded()
    assert not Alert.objects.exists()
