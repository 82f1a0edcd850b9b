"""Groups of sends: nobody takes over what is still in flight, and a worker that stops starts nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import conf, notify
from notifications.enums import Channel
from notifications.flows import gate
from notifications.flows.declare import load_declarations
from notifications.flows.stopping import stopping
from notifications.models import Claim, Delivery
from notifications.models.delivery_queries import DeliveryQuerySet
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Made = Callable[..., None]


@pytest.fixture
def with_options(sandbox: SandboxProcess, settings: Any) -> Made:
    """Give the push provider more options."""

    def give(**options: object) -> None:
        configured = settings.NOTIFICATIONS
        given = configured["PROVIDERS"]["fcm"]
        changed = {**given, "OPTIONS": {**given["OPTIONS"], **options}}
        settings.NOTIFICATIONS = {**configured, "PROVIDERS": {**configured["PROVIDERS"], "fcm": changed}}
        registry.reset()

    return give


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the groups that are started."""
    found: list[int] = []
    begun: dict[int, int] = {}
    real = DeliveryQuerySet.start_group

    def start_group(self: Any, claim_id: int, worker: str, upto: int, lease: float, *rest: Any) -> Any:
        found.append(upto - begun.get(claim_id, 0))
        begun[claim_id] = upto
        return real(self, claim_id, worker, upto, lease, *rest)

    monkeypatch.setattr(DeliveryQuerySet, "start_group", start_group)
    return found


@pytest.fixture(autouse=True)
def going() -> Iterator[None]:
    yield
    stopping.clear()


def before_each_send(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something in the worker before it hands over each message."""
    adapter = gate.adapter("fcm")
    real = adapter.start
    monkeypatch.setattr(adapter, "start", lambda message: (act(), real(message))[1])


def follow(person: Callable[..., User], count: int) -> None:
    """Notify one device so many times."""
    user = person("token-groups-01")
    for number in range(count):
        notify(user, "new-follower", {"name": f"Ada {number}"})


def campaign(person: Callable[..., User], count: int) -> None:
    """Notify one device so many times in the lane of campaigns."""
    load_declarations()
    user = person("token-groups-02")
    for _ in range(count):
        notify(user, "new-post", {"title": "Bells"})


def test_a_campaign_goes_in_large_groups_and_the_rest_in_small_ones(
    sandbox: SandboxProcess, groups: list[int], person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many groups a claim has: its first and the others are asked for differently."""
    monkeypatch.setattr(conf, "START_GROUP", 2)
    monkeypatch.setattr(conf, "LARGE_START_GROUP", 5)
    follow(person, 5)
    campaign(person, 12)
    work(Channel.PUSH)
    assert groups == [2, 2, 1, 5, 5, 2]


def test_no_more_is_started_than_the_send_window_holds(
    with_options: Made, groups: list[int], person: Callable[..., User]
) -> None:
    """Of a campaign, than four of them."""
    with_options(send_window=2)
    follow(person, 3)
    campaign(person, 11)
    work(Channel.PUSH)
    assert groups == [2, 1, 8, 3]


def test_the_last_of_a_slow_group_waits_for_another_lease(
    with_options: Made, groups: list[int], person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail server that takes seconds for each hand-over: half of a lease of 2 s is over after the second one."""
    monkeypatch.setattr(conf, "LEASE_SECONDS", 2)
    before_each_send(monkeypatch, lambda: time.sleep(0.6))
    follow(person, 4)
    work(Channel.PUSH)
    assert groups == [4, 2]
    assert set(Delivery.objects.values_list("state", "attempt")) == {("sent", 1)}


def test_a_worker_that_stops_starts_no_more_of_its_group(
    sandbox: SandboxProcess, groups: list[int], person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    before_each_send(monkeypatch, stopping.set)
    follow(person, 5)
    work(Channel.PUSH)
    assert groups == [5]
    assert sorted(Delivery.objects.values_list("state", "attempt")) == [("pending", 0)] * 4 + [("sent", 1)]
    stopping.clear()
    monkeypatch.undo()
    work(Channel.PUSH)
    assert sorted(Delivery.objects.values_list("state", "attempt")) == [("sent", 1)] * 5


def test_a_longer_timeout_makes_a_longer_lease(
    with_options: Made, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_options(timeout=45)
    held: list[float] = []
    follow(person, 1)
    began = timezone.now()
    before_each_send(monkeypatch, lambda: held.append((Claim.objects.get().lease_expires_at - began).total_seconds()))
    work(Channel.PUSH)
    assert held[0] > 45 * 2
