"""What operators watch is told as it is, by what happened, and names nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from prometheus_client.parser import text_string_to_metric_families

from notifications import notify
from notifications.enums import Channel, Lane
from notifications.flows import health, watch
from notifications.flows.alerts import raise_alert
from notifications.flows.gate import breaker, hold
from notifications.flows.metrics import metrics
from notifications.flows.sweep import sweep
from notifications.flows.tallies import add_up
from notifications.latency import Latency, read
from notifications.models import Alert, Delivery, Lease
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import connection
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by its labels' values, in the order of their names."""
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_what_is_due_is_counted_with_its_age(sandbox: SandboxProcess, person: Person) -> None:
    for _ in range(3):
        notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    Delivery.objects.filter(channel="sms").update(due_at=Now() - timedelta(seconds=90))
    found = {(item.channel, item.lane): item for item in health.backlog()}
    assert len(found) == 12
    late = found[Channel.SMS, Lane.CRITICAL]
    assert late.depth == 3
    assert 89 < late.age < 200
    assert found[Channel.EMAIL, Lane.BULK].depth == 0
    assert values(metrics(), "carillon_backlog_deliveries")["sms", "critical"] == 3


def test_outcomes_and_latency_add_up(sandbox: SandboxProcess, person: Person) -> None:
    for _ in range(3):
        notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    work()
    add_up()
    told = metrics()
    moved = values(told, "carillon_deliveries_total")
    assert moved["sms", "", "new", "pending"] == 3
    assert moved["sms", "twilio", "", "sent"] == 3
    assert values(told, "carillon_time_to_send_seconds_count")["sms", "twilio"] == 3
    took = values(told, "carillon_provider_latency_seconds_count")
    assert took["sms", "twilio"] == 3
    seen = read(connection(Channel.SMS), "twilio")
    assert seen is not None
    assert (sum(seen.buckets), seen.seconds > 0) == (3, True)
    assert read(connection(Channel.EMAIL), "email") == Latency()
    # What is added up once is not added up again.
    add_up()
    assert values(metrics(), "carillon_deliveries_total") == moved


def test_breakers_holds_dead_letters_and_alerts(sandbox: SandboxProcess, person: Person) -> None:
    notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    Delivery.objects.update(state="dead", reason="retries_exhausted", error_code="30007", provider="twilio")
    breaker("twilio").report(breaker("twilio").check(), 0, 500)
    hold("fcm", "mended", by="ada", lasting=timedelta(hours=1))
    raise_alert("queue_late", "sms critical", "told")
    told = metrics()
    assert values(told, "carillon_breaker_state")["sms", "twilio", "open"] == 1
    assert values(told, "carillon_breaker_state")["email", "email", "closed"] == 1
    assert values(told, "carillon_provider_held") == {("push", "fcm"): 1, ("sms", "twilio"): 0, ("email", "email"): 0}
    assert values(told, "carillon_dead_letters") == {("sms", "30007", "twilio", "retries_exhausted"): 1}
    assert values(told, "carillon_alerts_open") == {("breaker_open",): 1, ("queue_late",): 1}
    assert [item.usable for item in health.providers()] == [False, False, True]


def test_a_code_that_could_be_a_number_is_not_told(person: Person) -> None:
    notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    Delivery.objects.update(state="dead", reason="retries_exhausted", error_code="to +4915112345678")
    assert list(values(metrics(), "carillon_dead_letters")) == [("sms", "other", "", "retries_exhausted")]


def test_no_label_names_a_person(sandbox: SandboxProcess, person: Person, settings: Any) -> None:
    somebody = person("token-" + "x" * 60, phone="+4915199887766", email="canary@example.com")
    notify(somebody, "login-code", {"code": "493021"})
    work()
    add_up()
    told = metrics()
    for word in ("+4915199887766", "4915199887766", "canary", "token-x", "493021", f"u:{somebody.pk}"):
        assert word not in told


def late(seconds: int, **which: str) -> None:
    """Let deliveries have been due for so long."""
    Delivery.objects.filter(**which).update(due_at=Now() - timedelta(seconds=seconds))


def alerts() -> dict[tuple[str, str], int]:
    """Return the open alerts with their counts."""
    return {(item.kind, item.subject): item.count for item in Alert.objects.all()}


def test_what_is_due_for_too_long_is_told_by_lane(sandbox: SandboxProcess, person: Person, settings: Any) -> None:
    notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    notify(person("token-" + "x" * 60), "new-follower", {"name": "Ada"})
    late(70)
    watch.watch_backlog()
    assert alerts() == {("queue_late", "sms critical"): 1}
    late(1000)
    watch.watch_backlog()
    assert alerts() == {("queue_late", "sms critical"): 2, ("queue_late", "push normal"): 1}
    Alert.objects.all().delete()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ALERTS": {"critical_seconds": None, "normal_seconds": 2000}}
    watch.watch_backlog()
    assert alerts() == {}


def test_letters_that_die_by_the_dozen_are_told_with_their_cause(person: Person, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ALERTS": {"dead_per_hour": 2}}
    for _ in range(2):
        notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    died = {"state": "dead", "reason": "retries_exhausted", "provider": "twilio", "error_code": "30007"}
    first = Delivery.objects.first()
    assert first is not None
    Delivery.objects.filter(pk=first.pk).update(**died, updated_at=Now())
    Delivery.objects.exclude(pk=first.pk).update(**died, updated_at=Now() - timedelta(hours=2))
    watch.watch_dead()
    assert alerts() == {}
    Delivery.objects.update(updated_at=Now())
    watch.watch_dead()
    assert alerts() == {("dead_letters_grow", "dead letters"): 1}
    assert "sms twilio retries_exhausted 30007" in Alert.objects.get().detail


def test_a_sweeper_that_was_away_while_somebody_waited_is_told_of(sandbox: SandboxProcess, person: Person) -> None:
    notify(person(), "login-code", {"code": "493021"}, channels=["sms"])
    assert sweep("one")
    Lease.objects.update(expires_at=Now() - timedelta(seconds=300))
    assert sweep("two")
    assert ("sweeper_stale", "sweeper") not in alerts(), "nobody waited"
    late(290)
    Lease.objects.update(expires_at=Now() - timedelta(seconds=300))
    assert sweep("three")
    assert alerts()["sweeper_stale", "sweeper"] == 1
    assert sweep("three")
    assert alerts()["sweeper_stale", "sweeper"] == 1


def test_redis_is_told_of_when_it_is_away_twice(settings: Any) -> None:
    before = {name: queue["URL"] for name, queue in settings.RQ_QUEUES.items()}
    try:
        settings.RQ_QUEUES["sms"]["URL"] = "redis://127.0.0.1:9/0"
        connection.cache_clear()
        watch.watch_redis()
        assert alerts() == {}
        watch.watch_redis()
        assert alerts() == {("redis_away", "sms"): 1}
    finally:
        settings.RQ_QUEUES["sms"]["URL"] = before["sms"]
        connection.cache_clear()
    watch.watch_redis()
    watch.watch_redis()
    assert alerts() == {("redis_away", "sms"): 1}
