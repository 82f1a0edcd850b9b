"""A broadcast stops by itself, starts slowly, shares its channel, and goes on with other words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import broadcast, conf
from notifications.enums import BroadcastStatus, Channel, Lane, Reason, Source, State
from notifications.exceptions import InvalidData, WrongStatus
from notifications.flows import control, judge_broadcasts
from notifications.flows.broadcast import plan_page
from notifications.flows.claim import claim
from notifications.flows.control import cancel_broadcast, pause, resume, unpark
from notifications.flows.declare import publish, words_of
from notifications.flows.deliver import deliver
from notifications.flows.judge_broadcasts import counts_of, judge
from notifications.flows.newer_words import SentWith
from notifications.flows.newer_words import sent_with as sent_with_words
from notifications.flows.sweep import continue_broadcasts
from notifications.models import Alert, Broadcast, Category, Delivery, Notification, Template
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import other_work_waits
from tests.came_to import came_to
from tests.live import work

pytestmark = pytest.mark.django_db
POST = {"title": "Bells"}
EVERYBODY = {"all": True}


@pytest.fixture
def crowd(person: Callable[..., User]) -> list[User]:
    """Ten people with a device."""
    return [person(f"token-ledger-{n:04d}") for n in range(10)]


def plan_all(made: Broadcast) -> Broadcast:
    """Plan every page."""
    while plan_page(made.pk):
        pass
    made.refresh_from_db()
    return made


def settle(made: Broadcast, **states: int) -> None:
    """Let some of the deliveries that wait stand in these states."""
    rows = list(made_rows(made).filter(state=State.PENDING))
    for state, count in states.items():
        taken, rows = rows[:count], rows[count:]
        for row in taken:
            came_to(row, State(state))


def made_rows(made: Broadcast) -> Any:
    return Delivery.objects.filter(notification_id=made.notification_id).order_by("pk")


def limited(settings: Any, **limits: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": limits}


def sent_with(made: Broadcast) -> list[SentWith]:
    return sent_with_words(made, Notification.objects.get(pk=made.notification_id))


def test_too_many_failures_stop_a_broadcast_until_somebody_has_looked(crowd: list[User], settings: Any) -> None:
    limited(settings, most_failed=0.5, judged_from=4)
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    settle(made, failed=1, bounced=1, sent=1)
    assert not judge(made)
    settle(made, dead=1)
    assert judge(made)
    made.refresh_from_db()
    assert (made.status, made.stopped_for) == ("stopped", "3 of 4 failed (75.0%; the limit is 50.0%)")
    alert = Alert.objects.get(kind="broadcast_failing")
    assert "3 of 4 failed" in alert.detail
    assert "resume" in alert.detail
    work()
    assert Counter(made_rows(made).values_list("state", "reason"))["pending", "paused"] == 6
    with pytest.raises(WrongStatus):
        pause(made.pk)
    made = resume(made.pk)
    assert (made.status, made.stopped_for, made.judged_from) == (
        "sending",
        "",
        {"tried": 4, "failed": 3, "complaints": 0},
    )
    assert not judge(made)  # what was seen already does not stop it again
    settle(made, failed=3, sent=1)
    assert judge(made)


def test_complaints_stop_it_too(crowd: list[User], settings: Any) -> None:
    limited(settings, most_complaints=0.3, judged_from=5)
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    settle(made, complained=5, sent=4)
    assert judge(made)
    made.refresh_from_db()
    assert made.stopped_for == "5 of 9 were complained of (55.6%; the limit is 30.0%)"


def test_what_was_never_tried_is_no_failure(crowd: list[User], settings: Any) -> None:
    limited(settings, most_failed=0.5, judged_from=1)
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    settle(made, skipped=3, cancelled=1, expired=1, digested=1, uncertain=1, failed=1)
    counts = counts_of(made)
    assert (counts.tried, counts.failed) == (1, 1)


def test_the_sweeper_judges_now_and_then(crowd: list[User], settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_broadcasts, "_next_look", {})
    limited(settings, most_failed=0.5, judged_from=1)
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    continue_broadcasts()
    settle(made, failed=2)
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "sending"  # it was looked at just now
    judge_broadcasts._next_look[made.pk] = 0.0
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "stopped"
    continue_broadcasts()
    assert judge_broadcasts._next_look == {}


def test_a_person_who_was_faster_is_not_overruled(crowd: list[User], settings: Any) -> None:
    limited(settings, most_failed=0.5, judged_from=1)
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    settle(made, failed=2)
    pause(made.pk)
    assert not judge(made)
    cancel_broadcast(made.pk)
    assert not judge(made)
    assert not Alert.objects.filter(kind="broadcast_failing").exists()


def test_a_stopped_broadcast_can_be_cancelled(crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    Broadcast.objects.update(status="stopped")
    assert cancel_broadcast(made.pk).status == "cancelled"
    assert Counter(made_rows(made).values_list("state", flat=True)) == {"cancelled": 10}


def test_a_ramp_starts_slowly(crowd: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.rules.ramp.FIRST_MINUTE", 2)
    monkeypatch.setattr("notifications.rules.ramp.AHEAD", timedelta(hours=1))  # all of it is planned now
    made = plan_all(broadcast("new-post", EVERYBODY, POST, ramp_up=True))
    assert made.ramp_minutes == 10
    start = made.paced_from
    assert start is not None
    due = Counter(round((at - start).total_seconds()) for at in made_rows(made).values_list("due_at", flat=True))
    assert due == {0: 2, 60: 4, 120: 4}


def test_a_rate_holds_after_a_pause(crowd: list[User]) -> None:
    made = broadcast("new-post", EVERYBODY, POST, rate=2)
    assert plan_page(made.pk)
    Broadcast.objects.update(paced_from=timezone.now() - timedelta(hours=1))
    made = plan_all(made)
    due = sorted(made_rows(made).values_list("due_at", flat=True))[2:]
    assert [round((at - due[0]).total_seconds()) for at in due] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("ramp", [0.5, "10", -1, 31, [1]])
def test_a_ramp_that_cannot_be_says_why(db: None, ramp: Any) -> None:
    with pytest.raises(InvalidData, match="whole minutes from 1 to 30"):
        broadcast("new-post", EVERYBODY, POST, ramp_up=ramp)


def test_two_broadcasts_go_on_side_by_side(crowd: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 1)
    monkeypatch.setattr(conf, "BACKLOG_LIMIT", 4)
    first = broadcast("new-post", EVERYBODY, POST)
    assert [plan_page(first.pk) for _ in range(6)] == [True] * 4 + [False] * 2
    second = broadcast("new-post", EVERYBODY, POST)
    assert [plan_page(second.pk) for _ in range(4)] == [True] * 2 + [False] * 2
    assert not plan_page(first.pk)
    # Once the first one's share is sent, both go on.
    Delivery.objects.filter(notification_id=first.notification_id).update(state=State.SENT)
    assert [plan_page(first.pk) for _ in range(3)] == [True, True, False]


def test_what_is_due_later_or_elsewhere_holds_nobody_up(crowd: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 1)
    monkeypatch.setattr(conf, "BACKLOG_LIMIT", 2)
    made = broadcast("new-post", EVERYBODY, POST)
    assert plan_page(made.pk)
    assert plan_page(made.pk)
    assert not plan_page(made.pk)
    Delivery.objects.update(due_at=timezone.now() + timedelta(hours=1))
    assert plan_page(made.pk)
    Delivery.objects.update(due_at=timezone.now() - timedelta(hours=1), channel="sms")
    assert plan_page(made.pk)
    Delivery.objects.update(lane=Lane.CRITICAL, channel="push")
    assert plan_page(made.pk)


def test_fallbacks_are_planned_no_further_ahead_and_share_their_channel(
    person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 5)
    monkeypatch.setattr(conf, "BACKLOG_LIMIT", 10)
    for _ in range(30):
        person()  # without a device: all of them get an email instead
    first = broadcast("price-alert", {"all": True}, {"product": "Bell"})
    while plan_page(first.pk):
        pass
    assert made_rows(first).filter(channel="email", state=State.PENDING).count() == 10
    second = broadcast("price-alert", {"all": True}, {"product": "Bell"}, channels=["email"])
    assert [plan_page(second.pk) for _ in range(2)] == [True, False]
    # It may fall back to a channel that others have filled, but as yet needs nothing there.
    User.objects.all().delete()
    third = broadcast("price-alert", {"users": [str(person("token-ahead").pk)]}, {"product": "Bell"})
    plan_page(third.pk)
    assert made_rows(third).get().channel == "push"


def test_one_whose_channels_are_gone_is_stopped_by_whoever_plans(
    crowd: list[User], own_redis: None, django_capture_on_commit_callbacks: Any
) -> None:
    made = broadcast("price-alert", EVERYBODY, {"product": "Bell"}, channels=["email"])
    Category.objects.filter(slug="alerts").update(channels=["push"], fallback=[])
    with django_capture_on_commit_callbacks(execute=True):
        continue_broadcasts()
    assert other_work_waits(Channel.PUSH)
    assert not plan_page(made.pk)
    made.refresh_from_db()
    assert made.status == BroadcastStatus.STOPPED
    assert "none of its channels" in made.stopped_for


def new_words(title: str, template: str = "new-post") -> int:
    """Publish other words and return their number."""
    found = Template.objects.get(slug=template)
    words = {place: dict(parts) for place, parts in words_of(found.current).items()}
    for (channel, _), parts in words.items():
        if channel == Channel.PUSH:
            parts["title"] = title
    made = publish(found, words, Source.CONSOLE)
    assert made is not None
    return made.number


def titles(sandbox: SandboxProcess) -> Counter[str]:
    ids = {str(key) for key in Delivery.objects.values_list("pk", flat=True)}
    return Counter(row.content["title"] for row in sandbox.client.messages() if row.delivery in ids)


def test_what_is_unsent_goes_on_with_the_newest_words(
    sandbox: SandboxProcess, crowd: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "PAGE_SIZE", 4)
    made = broadcast("new-post", EVERYBODY, POST)
    plan_page(made.pk)
    work()
    plan_page(made.pk)
    pause(made.pk)
    work()
    before = Notification.objects.get(pk=made.notification_id).version.number
    number = new_words("Better")
    assert sent_with(made) == []
    resume(made.pk, version="newest")
    plan_all(made)
    work()
    assert titles(sandbox) == {"New: Bells": 4, "Better": 6}
    assert sent_with(made) == [SentWith(before, 4), SentWith(number, 6)]


def test_what_may_have_gone_out_keeps_its_words(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    pause(made.pk)
    new_words("Better")
    rows = list(made_rows(made))
    Delivery.objects.filter(pk=rows[0].pk).update(maybe_sent=True, attempt=1)
    Delivery.objects.filter(pk=rows[1].pk).update(keyed_at=timezone.now(), attempt=1, provider="fcm")
    Delivery.objects.filter(pk=rows[2].pk).update(attempt=1)  # refused for now: certainly not sent
    resume(made.pk, version="newest")
    work()
    assert titles(sandbox) == {"New: Bells": 2, "Better": 8}


def test_a_group_that_was_claimed_before_keeps_its_words(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    taken = claim(Channel.PUSH, tuple(Lane), "test", most=3).batch
    assert taken is not None
    pause(made.pk)
    number = new_words("Better")
    resume(made.pk, version=number)
    deliver(taken, lambda: True)
    work()
    assert titles(sandbox) == {"New: Bells": 3, "Better": 7}
    assert [part.sent for part in sent_with(made)] == [3, 7]


def test_it_may_go_back_to_the_first_words(sandbox: SandboxProcess, crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    first = Notification.objects.get(pk=made.notification_id).version.number
    pause(made.pk)
    new_words("Worse")
    resume(made.pk, version="newest")
    pause(made.pk)
    resume(made.pk, version=first)
    work()
    assert titles(sandbox) == {"New: Bells": 10}
    assert sent_with(made) == [SentWith(first, 10)]


@pytest.mark.parametrize(
    ("version", "words"), [(0, "no such"), (99, "no such"), (2**40, "no such"), ("latest", "newest"), (True, "number")]
)
def test_a_version_that_cannot_be_says_why(crowd: list[User], version: Any, words: str) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    pause(made.pk)
    with pytest.raises(InvalidData, match=words) as caught:
        resume(made.pk, version=version)
    assert caught.value.problems[0].pointer == "/version"
    made.refresh_from_db()
    assert made.status == "paused"


def test_a_version_of_other_variables_secrets_or_fewer_channels_is_refused(crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", EVERYBODY, POST))
    pause(made.pk)
    found = Template.objects.get(slug="new-post")
    found.variables = {**found.variables, "author": "str"}
    found.save()
    with pytest.raises(InvalidData, match="other variables"):
        resume(made.pk, version="newest")
    found.variables.pop("author")
    found.sensitive = ["title"]
    found.save()
    with pytest.raises(InvalidData, match="sensitive") as caught:
        resume(made.pk, version="newest")
    assert [problem.code for problem in caught.value.problems] == ["sensitive"]
    found.sensitive = []
    found.save()
    publish(found, {(Channel.SMS, "en"): {"text": "{{ title }}"}}, Source.CONSOLE)
    with pytest.raises(InvalidData, match="no words for push"):
        resume(made.pk, version="newest")


def parked_rows(made: Broadcast) -> Any:
    """Let what waits be as a worker leaves what comes due while its broadcast is paused."""
    made_rows(made).update(reason=Reason.PAUSED, due_at=timezone.now() + timedelta(days=30))
    return made_rows(made).filter(state=State.PENDING, reason=Reason.PAUSED)


def test_what_is_stopped_anew_is_not_let_go_on(crowd: list[User]) -> None:
    made = plan_all(broadcast("new-post", {"all": True}, {"title": "Bells"}))
    parked = parked_rows(made)
    Broadcast.objects.update(status=BroadcastStatus.STOPPED)
    assert unpark(made) == 0
    assert parked.count() == len(crowd)
    Broadcast.objects.update(status=BroadcastStatus.SENDING)
    assert unpark(made) == len(crowd)


def test_what_a_pause_parked_is_cancelled_by_the_sweeper_too(
    crowd: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan_all(broadcast("new-post", {"all": True}, {"title": "Bells"}))
    parked_rows(made)
    monkeypatch.setattr(control, "_PATIENCE_SECONDS", 0.0)  # as if there were too many for the request
    cancel_broadcast(made.pk)
    assert made_rows(made).filter(state=State.PENDING).count() == len(crowd)
    monkeypatch.undo()
    continue_broadcasts()
    assert set(made_rows(made).values_list("state", flat=True)) == {State.CANCELLED}


def test_one_that_cannot_be_judged_keeps_no_other_from_its_end(
    crowd: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan_all(broadcast("new-post", {"all": True}, {"title": "Bells"}))
    settle(made, sent=len(crowd))

    def fails(_: Broadcast) -> None:
        raise ValueError("no counts")

    monkeypatch.setattr(judge_broadcasts, "counts_of", fails)
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == BroadcastStatus.DONE
