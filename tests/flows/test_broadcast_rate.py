"""A broadcast's rate and ramp hold through pauses, and planning goes no further ahead than it must."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import broadcast, conf
from notifications.enums import BroadcastStatus, Reason, State
from notifications.flows import broadcast as planner
from notifications.flows import control
from notifications.flows.broadcast import plan_page
from notifications.flows.control import pause, resume, unpark
from notifications.flows.release import release
from notifications.flows.sweep import continue_broadcasts
from notifications.models import Broadcast, Category, Delivery
from notifications.models.broadcast import Channels

pytestmark = pytest.mark.django_db
POST = {"title": "Bells"}
EVERYBODY = {"all": True}
SOON, LATER = timedelta(seconds=20), timedelta(hours=1)


@pytest.fixture(autouse=True)
def ten(person: Callable[..., User]) -> list[User]:
    """Ten people with a device."""
    return [person(f"token-rate-{number:04d}") for number in range(10)]


def plan(made: Broadcast, pages: int = 100) -> Broadcast:
    """Plan so many pages, or all there are."""
    while pages and plan_page(made.pk):
        pages -= 1
    made.refresh_from_db()
    return made


def rows_of(made: Broadcast) -> QuerySet[Delivery]:
    return Delivery.objects.filter(notification_id=made.notification_id)


def park(made: Broadcast, count: int = 10) -> None:
    """Let some be as a worker leaves what comes due while its broadcast is paused."""
    keys = list(rows_of(made).exclude(reason=Reason.PACED).values_list("pk", flat=True)[:count])
    Delivery.objects.filter(pk__in=keys).update(reason=Reason.PAUSED, due_at=timezone.now() + timedelta(days=30))


def next_slot_in(made: Broadcast, wait: timedelta) -> datetime:
    """Let the broadcast's rate begin at such a time from now on; however slow the machine is, it is not over yet."""
    start = timezone.now() + wait
    Broadcast.objects.filter(pk=made.pk).update(paced_from=start)
    made.refresh_from_db()
    return start


def seconds_from(start: datetime, made: Broadcast) -> list[float]:
    """Return when its deliveries are due, in seconds from a moment."""
    return sorted(round((row.due_at - start).total_seconds(), 3) for row in rows_of(made))


def test_what_was_parked_is_due_at_the_rate_however_often_it_is_let_go() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2))
    assert made.status == BroadcastStatus.SENDING
    start = next_slot_in(made, LATER)
    for _ in range(2):  # of what is parked by and by, the sweeper lets go what it finds
        park(made, 5)
        assert unpark(made) == 5
    # Behind the ten that were planned in five seconds.
    assert seconds_from(start, made) == [5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5]
    made.refresh_from_db()
    assert made.paced_from == start + timedelta(seconds=5)


def test_the_sweeper_goes_on_where_a_resume_ended() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2))
    pause(made.pk)
    park(made, 5)
    start = next_slot_in(made, LATER)
    resume(made.pk)
    park(made, 5)
    continue_broadcasts()
    assert seconds_from(start, made) == [5 + half / 2 for half in range(10)]


def test_nothing_that_a_pause_held_up_is_caught_up_with() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2))
    before = Delivery.objects.database_now()
    next_slot_in(made, -LATER)
    park(made)
    unpark(made)
    due = sorted(rows_of(made).values_list("due_at", flat=True))
    assert due[0] >= before
    assert [(at - due[0]).total_seconds() for at in due] == [half / 2 for half in range(10)]
    assert set(rows_of(made).values_list("reason", flat=True)) == {Reason.NEW, Reason.PACED}


def test_what_is_planned_after_a_pause_comes_behind_what_was_parked() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2), pages=2)
    pause(made.pk)
    park(made)
    start = next_slot_in(made, SOON)
    resume(made.pk)
    made = plan(made)
    assert (made.status, made.members) == (BroadcastStatus.SENDING, 10)
    assert seconds_from(start, made) == [2, 2.5, 3, 3.5, 4, 4, 5, 5, 6, 6]


def test_a_ramp_does_not_burst_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.rules.ramp.FIRST_MINUTE", 2)
    made = plan(broadcast("new-post", EVERYBODY, POST, ramp_up=True), pages=2)
    assert made.members == 6
    pause(made.pk)
    park(made)
    start = next_slot_in(made, LATER)
    resume(made.pk)
    # Its third minute has room for eight.
    assert seconds_from(start, made) == [120, 127.5, 135, 142.5, 150, 157.5]
    release("fcm")  # they wait for their ramp, and for no provider
    assert set(rows_of(made).values_list("reason", flat=True)) == {Reason.PACED}


def test_planning_goes_a_minute_ahead_and_then_rests() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=1), pages=1)
    next_slot_in(made, LATER)
    assert not plan_page(made.pk)
    made.refresh_from_db()
    assert (made.status, made.members, made.failures) == (BroadcastStatus.PLANNING, 1, 0)
    assert made.paced_from is not None
    assert made.retry_at == made.paced_from + timedelta(seconds=1 - 30)
    # Half a minute before it is due, it is looked at again.
    next_slot_in(made, timedelta())
    assert not plan_page(made.pk)
    Broadcast.objects.update(retry_at=timezone.now())
    assert plan_page(made.pk)
    made = plan(made)
    assert (made.status, made.members, made.retry_at) == (BroadcastStatus.SENDING, 10, None)


def test_one_that_rests_is_planned_on_once_it_is_resumed() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=1), pages=1)
    Broadcast.objects.update(retry_at=timezone.now() + LATER)
    pause(made.pk)
    resume(made.pk)
    assert plan(made).members == 10


def test_one_that_rests_leaves_its_part_of_the_channel_to_others() -> None:
    slow = plan(broadcast("new-post", EVERYBODY, POST, rate=1), pages=1)
    other = broadcast("new-post", EVERYBODY, POST)
    news = Category.objects.get(slug="news")

    def sharing() -> int:
        return Broadcast.objects.crowds(other.notification_id, Channels(["push"]), news.priority, 100)[0].sharing

    assert sharing() == 2
    Broadcast.objects.filter(pk=slow.pk).update(retry_at=timezone.now() + LATER)
    assert sharing() == 1


def test_what_would_expire_before_its_slot_does_not_wait_for_it() -> None:
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=1, ttl=timedelta(minutes=30)), pages=1)
    next_slot_in(made, LATER)
    assert not plan_page(made.pk)  # all of them at once: that was the last page
    made.refresh_from_db()
    assert made.status == BroadcastStatus.SENDING
    assert rows_of(made).filter(state=State.EXPIRED, reason=Reason.TTL).count() == 9


def test_slots_are_given_away_under_the_lock_of_the_broadcast() -> None:
    def locks(made: Broadcast) -> bool:
        park(made)
        with CaptureQueriesContext(connection) as caught:
            assert unpark(made) == 10
        return any('FROM "carillon_broadcast"' in row["sql"] and "FOR UPDATE" in row["sql"] for row in caught)

    assert locks(plan(broadcast("new-post", EVERYBODY, POST, rate=50)))
    assert not locks(plan(broadcast("new-post", EVERYBODY, POST)))


@pytest.mark.django_db(transaction=True)
def test_two_at_once_give_no_slot_away_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_BATCH", 1)
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2))
    park(made)
    start = next_slot_in(made, LATER)
    together, done = Barrier(2), []

    def let_go() -> None:
        try:
            together.wait()
            done.append(unpark(made, seconds=60))
        finally:
            connection.close()

    threads = [Thread(target=let_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 10
    assert seconds_from(start, made) == [5 + half / 2 for half in range(10)]


def test_room_is_counted_by_what_a_page_may_hold_and_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "_room", {})
    monkeypatch.setattr(planner, "_ROOM_SECONDS", 3_600.0)
    made = plan(broadcast("new-post", EVERYBODY, POST, rate=2), pages=1)
    assert planner._room[made.pk][0] == conf.BACKLOG_LIMIT - 2
    plan(made)
    planner._room[made.pk] = (100, 0.0)  # long ago
    one = plan(broadcast("new-post", EVERYBODY, POST, rate=2), pages=1)
    assert planner._room.keys() == {one.pk}
