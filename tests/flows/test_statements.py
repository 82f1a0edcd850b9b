"""Statements on the hot paths: fixed per call, per claim and per group of sends, however many recipients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from notifications import broadcast, conf, notify
from notifications.enums import Channel, Lane
from notifications.flows import outcomes
from notifications.flows.broadcast import plan_page
from notifications.flows.claim import claim
from notifications.flows.digest import close_digests
from notifications.flows.drain import drain
from notifications.models import Broadcast, Category, Delivery, Digest
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers

pytestmark = pytest.mark.django_db


def statements(work: Callable[[], object]) -> int:
    """Return how many statements some work sends."""
    with CaptureQueriesContext(connection) as caught:
        work()
    return len(caught)


def test_notify(person: Callable[..., User]) -> None:
    user = person("token-count-0001")
    notify(user, "new-follower", {"name": "A"})  # the words are compiled once per process
    assert statements(lambda: notify(user, "new-follower", {"name": "B"}, idempotency_key="k")) <= 9


def test_a_claim_and_its_groups(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine a group's results are recorded in several goes: counted here is one go per full group.
    monkeypatch.setattr(outcomes, "_OLD_SECONDS", 60.0)

    def send(count: int) -> int:
        for number in range(count):
            notify(user, "new-follower", {"name": f"{count} {number}"})
        return statements(lambda: drain(Channel.PUSH, "test", [Channel.PUSH]))

    user = person("token-count-0002")
    send(1)
    one, full, four = send(1), send(conf.START_GROUP), send(4 * conf.START_GROUP)
    # A few more where what is known of held providers, or of a lease, has grown old meanwhile.
    assert full <= one + 8
    # Per further group: declare it started, look for more urgent work, record it.
    assert four - full <= 3 * 8


def test_a_page_of_a_broadcast(person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> None:
    def page(size: int) -> int:
        monkeypatch.setattr(conf, "PAGE_SIZE", size)
        made: Broadcast = broadcast("new-post", followers(author_id=7), {"title": "Bells"})
        return statements(lambda: plan_page(made.pk))

    Follow.objects.bulk_create([Follow(user=person(f"token-page-{n:04d}"), author_id=7) for n in range(40)])
    page(1)
    assert page(40) == page(2)


@pytest.mark.parametrize(
    ("throttle", "digest"),
    [("1000/day", ""), ("1/day", ""), ("", "hourly"), ("1/day", "hourly"), ("", "daily 09:00")],
)
def test_a_throttled_claim(person: Callable[..., User], throttle: str, digest: str) -> None:
    """Windows and digests are made, locked and written by the claim, however many recipients and messages it has."""
    Category.objects.filter(slug="social").update(throttle=throttle, digest=digest)

    def taken(people: int, messages: int) -> int:
        users = [person(f"token-throttled-{people}-{messages}-{number:04d}") for number in range(people)]
        for user in users:
            for number in range(messages):
                notify(user, "new-follower", {"name": f"{number}"})
        sent = statements(lambda: claim(Channel.PUSH, tuple(Lane), "test"))
        Delivery.objects.all().delete()
        return sent

    taken(1, 2)
    # One more where what is known of held providers has grown old meanwhile.
    assert taken(30, 3) <= taken(2, 3) + 1


def test_closing_a_digest(person: Callable[..., User]) -> None:
    Category.objects.filter(slug="social").update(digest="hourly")

    def close(messages: int) -> int:
        user = person(f"token-digest-{messages:04d}")
        for number in range(messages):
            notify(user, "new-follower", {"name": f"{number}"})
        claim(Channel.PUSH, tuple(Lane), "test")
        Digest.objects.filter(notification_id=None).update(due_at=Now() - timedelta(seconds=1))
        return statements(close_digests)

    close(1)
    assert close(60) == close(12)
