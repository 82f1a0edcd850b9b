"""A broadcast is exact: one message per device, whoever repeats or interrupts its planning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from notifications import audience, broadcast, conf
from notifications.declarations import registry
from notifications.enums import Reason, State
from notifications.exceptions import InvalidData
from notifications.flows.broadcast import plan_page
from notifications.flows.control import cancel_broadcast, pause, resume
from notifications.flows.sweep import continue_broadcasts
from notifications.models import Broadcast, Delivery, Notification, Preference, Topic, TopicSubscription
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers
from tests.live import work

pytestmark = pytest.mark.django_db
POST = {"title": "Bells"}


@pytest.fixture
def crowd(person: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> list[User]:
    """Seven followers of author 7, one of them twice, with pages of three."""
    monkeypatch.setattr(conf, "PAGE_SIZE", 3)
    people = [person(f"token-crowd-{n:04d}") for n in range(7)]
    Follow.objects.bulk_create([Follow(user=user, author_id=7) for user in people])
    Follow.objects.create(user=people[2], author_id=7)
    return people


def plan_all(made: Broadcast) -> Broadcast:
    """Plan every page."""
    while plan_page(made.pk):
        pass
    made.refresh_from_db()
    return made


def test_every_member_gets_it_exactly_once(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", followers(author_id=7), POST))
    assert (made.status, made.members, made.planned) == ("sending", 7, 7)
    assert Notification.objects.count() == 1
    work()
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "done"
    ids = {str(key) for key in Delivery.objects.values_list("pk", flat=True)}
    assert Counter(row.delivery for row in sandbox.client.messages() if row.delivery in ids) == dict.fromkeys(ids, 1)


def test_planning_a_page_again_after_a_crash_adds_nothing(crowd: list[User]) -> None:
    made = broadcast("new-post", followers(author_id=7), POST)
    assert plan_page(made.pk)
    Broadcast.objects.filter(pk=made.pk).update(cursor="", members=0, planned=0)
    plan_all(made)
    assert Delivery.objects.count() == 7


def test_a_variable_may_differ_per_recipient(sandbox: SandboxProcess, crowd: list[User]) -> None:
    @audience
    def greeted() -> QuerySet[User]:
        name = Concat(Value("For "), F("username"), output_field=CharField())
        return User.objects.filter(follows__author_id=7).annotate(title=name)

    try:
        plan_all(broadcast("new-post", greeted()))
        work()
    finally:
        del registry.audiences["greeted"]
    titles = {row.content["title"] for row in sandbox.client.messages() if "crowd" in row.to}
    assert {f"New: For {user.username}" for user in crowd} <= titles


def test_exclusion_topics_and_lists(crowd: list[User]) -> None:
    topic = Topic.objects.create(slug="news")
    TopicSubscription.objects.bulk_create([TopicSubscription(topic=topic, user=user) for user in crowd[:4]])
    made = broadcast("new-post", {"topic": "news"}, POST, exclude={"users": [str(crowd[0].pk)]})
    assert plan_all(made).members == 3


def test_who_opted_out_is_in_the_ledger_as_skipped(crowd: list[User]) -> None:
    Preference.objects.create(recipient=f"u:{crowd[0].pk}", categories={"news": {"push": False}})
    plan_all(broadcast("new-post", followers(author_id=7), POST))
    assert Counter(Delivery.objects.values_list("state", "reason")) == {
        ("pending", "new"): 6,
        ("skipped", "preference"): 1,
    }


def test_pause_resume_and_cancel(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", followers(author_id=7), POST))
    pause(made.pk)
    work()
    assert Counter(Delivery.objects.values_list("state", "reason")) == {("pending", "paused"): 7}
    resume(made.pk)
    made.refresh_from_db()
    assert Counter(Delivery.objects.values_list("state", "reason")) == {("pending", "new"): 7}
    cancel_broadcast(made.pk)
    work()
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {State.CANCELLED: 7}


def test_what_was_parked_after_a_resume_is_found(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", followers(author_id=7), POST))
    later = timezone.now() + timedelta(days=30)
    Delivery.objects.update(reason=Reason.PAUSED, due_at=later)
    continue_broadcasts()
    work()
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {State.SENT: 7}
    made.refresh_from_db()
    assert made.status == "sending"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"name": "follower", "params": {}}, "did you mean 'followers'"),
        ({"name": "followers", "params": {"author": 7}}, "author"),
        ({"name": "followers", "params": {"author_id": "x"}}, "params"),
        ({"everybody": True}, "audience"),
        ({"users": []}, "list of 1 to"),
        ({"broadcast": "nonsense"}, "no such broadcast"),
    ],
)
def test_an_audience_that_cannot_be_says_why(db: None, wanted: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidData) as caught:
        broadcast("new-post", wanted, POST)
    assert words in f"{caught.value} {caught.value.problems}"
    assert not Broadcast.objects.exists()


def test_a_sliced_audience_is_refused(db: None) -> None:
    @audience
    def sliced() -> QuerySet[User]:
        return User.objects.all()[:5]

    try:
        with pytest.raises(InvalidData, match="paged by key"):
            broadcast("new-post", sliced(), POST)
    finally:
        del registry.audiences["sliced"]


def test_a_missing_variable_is_refused_before_anything_is_stored(db: None) -> None:
    with pytest.raises(InvalidData):
        broadcast("new-post", {"all": True}, {})
