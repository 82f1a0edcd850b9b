"""Campaigns may take only a share of a channel's workers: whoever comes beyond it serves what is more urgent alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import conf, jobs, notify, places
from notifications.enums import Channel
from notifications.flows import campaigns
from notifications.flows.campaigns import claim_next, leave, planning, stay
from notifications.flows.drain import drain
from notifications.models import Category, Delivery
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import beat, connection

pytestmark = pytest.mark.django_db
SERVED = [Channel.PUSH, Channel.SMS]


@pytest.fixture(autouse=True)
def one_each(sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten messages of a campaign are due, and each claim takes one."""
    monkeypatch.setattr(conf, "CLAIM_SIZE", 1)
    monkeypatch.setattr(campaigns, "_here", None)
    # However slow the machine is, nobody dies here.
    monkeypatch.setattr(places, "PLACE_SECONDS", 3_600)
    monkeypatch.setattr(campaigns, "ALIVE_SECONDS", 3_600)
    Category.objects.filter(slug="social").update(priority="bulk")
    user = person("token-share-0001", phone="+4915112345678")
    for number in range(10):
        notify(user, "new-follower", {"name": str(number)})


def crew(count: int) -> list[str]:
    """Let so many workers say that they are alive."""
    names = [f"worker-{number}" for number in range(count)]
    for name in names:
        beat(SERVED, name)
    return names


def takes_campaign(worker: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a worker, each in a process of its own, claims of a campaign now."""
    monkeypatch.setattr(campaigns, "_here", None)
    return claim_next(Channel.PUSH, worker, SERVED, most=1).due == 1


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 2), (3, 3), (4, 3), (8, 6)])
def test_so_many_may_be_at_campaigns(workers: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [takes_campaign(name, monkeypatch) for name in crew(workers)] == [True] * most + [False] * (workers - most)


def test_one_beyond_the_share_serves_what_is_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    *three, last = crew(4)
    assert all(takes_campaign(name, monkeypatch) for name in three)
    assert drain(Channel.PUSH, last, SERVED) == 0
    notify(User.objects.get(), "login-code", {"code": "493021"})
    assert drain(Channel.SMS, last, SERVED) == 1
    assert Delivery.objects.get(channel="sms").state == "sent"


def test_a_place_goes_over_to_the_next_when_its_worker_leaves_or_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three, four = crew(4)
    assert [takes_campaign(name, monkeypatch) for name in (one, two, three, four)] == [True, True, True, False]
    monkeypatch.setattr(campaigns, "_here", None)
    assert takes_campaign(three, monkeypatch)
    leave(three)
    assert takes_campaign(four, monkeypatch)
    assert not takes_campaign(three, monkeypatch)
    monkeypatch.setattr(places, "PLACE_SECONDS", 0)  # nobody renewed it
    assert takes_campaign(three, monkeypatch)


def test_a_worker_at_campaigns_of_one_channel_is_busy_for_its_others(monkeypatch: pytest.MonkeyPatch) -> None:
    *three, last = crew(4)
    assert all(takes_campaign(name, monkeypatch) for name in three)
    Delivery.objects.update(channel="sms", address="+4915112345678", device=None)
    assert claim_next(Channel.SMS, last, SERVED, most=1).due == 0


def test_planning_has_a_place_of_its_own_and_a_sender_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    *three, planner = crew(4)
    assert all(takes_campaign(name, monkeypatch) for name in three)
    monkeypatch.setattr(campaigns, "_here", None)
    with planning(planner, SERVED):
        assert connection(Channel.PUSH).zcard(places.KEY % "push") == 4
        assert not takes_campaign(three[0], monkeypatch)
        monkeypatch.setattr(campaigns, "_here", None)
        campaigns._take(planner, SERVED, places.How.INSIST)
    assert connection(Channel.PUSH).zscore(places.KEY % "push", planner) is None
    assert takes_campaign(three[0], monkeypatch)


def test_a_place_is_renewed_between_groups_of_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = crew(4)
    assert takes_campaign(first, monkeypatch)
    before = connection(Channel.PUSH).zscore(places.KEY % "push", first)
    stay(first)
    assert connection(Channel.PUSH).zscore(places.KEY % "push", first) == before, "not within a second"
    monkeypatch.setattr(campaigns, "_RENEW_SECONDS", 0.0)
    stay(first)
    assert float(connection(Channel.PUSH).zscore(places.KEY % "push", first) or 0) > float(before or 0)


def test_a_drain_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)  # the test's transaction is on it
    monkeypatch.setattr(jobs, "served", SERVED)
    beat(SERVED, jobs.worker_name())
    crew(3)
    jobs.drain("push")
    assert Delivery.objects.filter(state="sent").count() == 10
    assert connection(Channel.PUSH).zcard(places.KEY % "push") == 0


@pytest.mark.parametrize(("share", "most"), [(None, 4), (1, 4), (0.5, 2), (0.01, 1)])
def test_the_share_is_a_setting(share: Any, most: int, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": {"worker_share": share}}
    assert sum(takes_campaign(name, monkeypatch) for name in crew(4)) == most
