"""Pacing through real claims and sends: so many a second, urgent first, and nothing before Retry-After."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from notifications import conf, notify
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import gate
from notifications.flows import sweep as sweeping
from notifications.flows.claim import claim
from notifications.flows.drain import drain
from notifications.flows.release import release
from notifications.models import Alert, Claim, Delivery
from notifications.pacing import KEY
from notifications.providers import registry
from notifications.rules.pacing import Report
from notifications.sandbox.process import SandboxProcess
from notifications.sandbox.records import Accepted
from notifications.wakeups import connection
from tests.live import wait_for, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def paced(settings: Any) -> Callable[[str, float], None]:
    """Limit a provider's account to so many messages a second."""

    def limit(alias: str, per_second: float) -> None:
        providers = settings.NOTIFICATIONS["PROVIDERS"]
        entry = providers[alias]
        entry = {**entry, "OPTIONS": {**entry["OPTIONS"], "per_second": per_second}}
        settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": {**providers, alias: entry}}
        registry.reset()
        gate.breaker.cache_clear()
        gate.pace.cache_clear()

    return limit


def push(user: User, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        notify(user, "new-follower", {"name": f"N{number}"})


def all_sent() -> bool:
    """Work on what is due, and on what is not due yet as if it were; return whether all was sent."""
    Delivery.objects.filter(state=State.PENDING).update(due_at=timezone.now())
    work(Channel.PUSH)
    return not Delivery.objects.exclude(state=State.SENT).exists()


def arrived(sandbox: SandboxProcess) -> list[Accepted]:
    """Return what the sandbox took of this test's deliveries, oldest first."""
    own = {str(key) for key in Delivery.objects.values_list("pk", flat=True)}
    return [row for row in reversed(sandbox.client.messages()) if row.delivery in own]


def taken(sandbox: SandboxProcess) -> list[float]:
    """Return when that was, by the sandbox's own clock."""
    return [datetime.fromisoformat(row.at).timestamp() for row in arrived(sandbox)]


def test_an_account_is_sent_no_more_than_its_rate(
    sandbox: SandboxProcess, person: Callable[..., User], paced: Callable[[str, float], None]
) -> None:
    paced("fcm", 40)
    push(person("token-paced-0001"), 100)
    wait_for(all_sent, "all to be sent")
    times = taken(sandbox)
    assert len(times) == 100
    # The sandbox's clock runs while this machine stands still: a margin for that, and none for a burst.
    assert times[-1] - times[0] >= 0.8 * 100 / 40
    assert set(Delivery.objects.values_list("attempt", flat=True)) == {1}


def test_what_finds_no_turn_waits_paced_and_spread_out_without_an_attempt(
    sandbox: SandboxProcess, person: Callable[..., User], paced: Callable[[str, float], None]
) -> None:
    paced("fcm", 0.5)
    push(person("token-paced-0002"), 21)
    work(Channel.PUSH)
    waiting = list(Delivery.objects.filter(state=State.PENDING).order_by("due_at"))
    assert Delivery.objects.filter(state=State.SENT).count() >= 1
    assert {(row.reason, row.attempt, row.retries) for row in waiting} == {(Reason.PACED, 0, 0)}
    # Its own limit is no sign of trouble with the provider.
    assert {row.fallback_at for row in waiting} == {None}
    apart = [(later.due_at - one.due_at).total_seconds() for one, later in pairwise(waiting)]
    assert all(1.5 < gap < 1.7 for gap in apart[1:])


def test_what_is_urgent_is_not_stuck_behind_a_paced_campaign(
    sandbox: SandboxProcess, person: Callable[..., User], paced: Callable[[str, float], None]
) -> None:
    paced("fcm", 0.5)
    user = person("token-paced-0003")
    push(user, 40)
    work(Channel.PUSH)
    before = Delivery.objects.filter(state=State.SENT).count()
    urgent = notify(user, "price-alert", {"product": "Bell"})

    def went() -> bool:
        Delivery.objects.filter(state=State.PENDING).update(due_at=timezone.now())
        work(Channel.PUSH)
        return Delivery.objects.get(notification=urgent).state == State.SENT

    wait_for(went, "the alert to go out")
    order = [row.delivery for row in arrived(sandbox)]
    assert order.index(str(Delivery.objects.get(notification=urgent).pk)) == before


def test_after_a_429_nobody_sends_before_retry_after(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    """What one worker is told, all keep to: the second never asks the provider at all."""
    sandbox.client.fault("fcm", "rate_limited", retry_after=8)
    user = person("token-limited-0001")
    push(user, 1)
    work(Channel.PUSH)
    told_at = time.time()
    sandbox.client.reset()
    push(user, 30, start=1)
    # Another worker: it knows nothing but what Redis says.
    gate.pace.cache_clear()
    gate.breaker.cache_clear()
    drain(Channel.PUSH, "other", [Channel.PUSH])
    assert arrived(sandbox) == []
    waiting = Delivery.objects.filter(attempt=0)
    assert set(waiting.values_list("state", "reason", "retries")) == {(State.PENDING, Reason.PACED, 0)}
    assert len(set(waiting.values_list("due_at", flat=True))) == 30
    assert waiting.order_by("due_at")[0].due_at.timestamp() >= told_at + 7
    # Even what is due before is not sent.
    Delivery.objects.update(due_at=timezone.now())
    wait_for(all_sent, "all to be sent")
    assert taken(sandbox)[0] >= told_at + 7.5
    assert set(Delivery.objects.filter(attempt__gt=1).values_list("attempt", flat=True)) == {2}
    assert Delivery.objects.filter(attempt=1).count() == 30


def test_groups_under_way_stop_at_the_next_group(
    sandbox: SandboxProcess, person: Callable[..., User], paced: Callable[[str, float], None]
) -> None:
    paced("fcm", 200)
    sandbox.client.fault("fcm", "rate_limited", retry_after=600)
    push(person("token-limited-0002"), 100)
    work(Channel.PUSH)
    # At most what was in flight when the first answer came was refused; the rest used up nothing.
    assert Delivery.objects.filter(attempt=1).count() < 100
    assert set(Delivery.objects.filter(attempt=0).values_list("reason", flat=True)) == {Reason.PACED}


def test_a_long_pause_is_alerted_on_and_an_operator_ends_it(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    sandbox.client.fault("fcm", "rate_limited", retry_after=3_600)
    user = person("token-limited-0003")
    push(user, 1)
    work(Channel.PUSH)
    sandbox.client.reset()
    push(user, 5, start=1)
    work(Channel.PUSH)
    alert = Alert.objects.get(kind="provider_paused", subject="fcm")
    assert "3600 s" in alert.detail
    hour = timezone.now() + timedelta(seconds=3_000)
    assert Delivery.objects.filter(state=State.PENDING, reason=Reason.PACED, due_at__gt=hour).count() == 6
    assert release("fcm") == 6
    wait_for(all_sent, "all to be sent")


def test_a_pause_of_one_account_lets_the_next_provider_of_the_route_send(
    sandbox: SandboxProcess, settings: Any, person: Callable[..., User]
) -> None:
    configured = settings.NOTIFICATIONS
    providers = {**configured["PROVIDERS"], "fcm2": configured["PROVIDERS"]["fcm"]}
    routes = {**configured["ROUTES"], "push": ["fcm", "fcm2"]}
    settings.NOTIFICATIONS = {**configured, "PROVIDERS": providers, "ROUTES": routes}
    gate.pace("fcm").report(Report(pause=600))
    push(person("token-second-0001"), 3)
    work(Channel.PUSH)
    assert set(Delivery.objects.values_list("state", "provider")) == {(State.SENT, "fcm2")}


def test_retries_beyond_the_budget_wait_without_an_attempt(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    push(person("token-budget-0001"), 12)
    Delivery.objects.update(attempt=1, retries=1)
    gate.pace("fcm").report(Report(bad=0, failed_retries=1_000, total=1_000))
    work(Channel.PUSH)
    found = set(Delivery.objects.values_list("state", "reason", "attempt", "retries"))
    assert found == {(State.PENDING, Reason.RETRY, 1, 1)}
    push(person("token-budget-0002"), 1, start=50)
    work(Channel.PUSH)
    assert Delivery.objects.filter(state=State.SENT, attempt=1).count() == 1


def test_a_probe_is_what_was_tried_least(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    breaker = gate.breaker("fcm")
    push(person("token-probe-0001"), 3)
    tried, fresh = list(Delivery.objects.order_by("due_at"))[:2], Delivery.objects.order_by("due_at").last()
    Delivery.objects.filter(pk__in=[row.pk for row in tried]).update(attempt=4, retries=4)
    breaker.report(breaker.check(), 0, 20)
    assert breaker.state().state == "open"
    connection(Channel.PUSH).hset("carillon:breaker:{fcm}", "retry", 0)
    work(Channel.PUSH)
    assert arrived(sandbox)[0].delivery == str(fresh.pk if fresh else "")


def test_after_redis_was_emptied_nothing_goes_out_in_a_burst(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    push(person("token-alone-0001"), 3)
    work(Channel.PUSH)
    connection(Channel.PUSH).delete(KEY % "fcm")
    push(person("token-alone-0002"), 30, start=10)
    began = time.time()
    wait_for(all_sent, "all to be sent")
    # From one a second, doubling: thirty take about five seconds.
    assert taken(sandbox)[-1] - began >= 2.5


def test_what_a_dead_worker_held_is_no_retry_of_the_providers(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    user = person("token-budget-dead")
    for number in range(conf.START_GROUP):
        notify(user, "new-follower", {"name": f"{number}"})
    lost = claim(Channel.PUSH, tuple(Lane), "dead").batch
    assert lost is not None
    Claim.objects.update(started_upto=conf.START_GROUP, lease_expires_at=Now() - timedelta(seconds=1))
    sweeping.expire_leases()
    Delivery.objects.filter(state=State.UNCERTAIN).update(due_at=Now())
    sweeping.settle_uncertain()
    again = claim(Channel.PUSH, tuple(Lane), "alive").batch
    assert again is not None
    assert len(again.deliveries) == conf.START_GROUP
