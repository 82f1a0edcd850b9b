"""Tending broadcasts: one that is done may go on, and none is done over what is just being planned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import broadcast, notify
from notifications.enums import BroadcastStatus, Reason, State
from notifications.exceptions import WrongStatus
from notifications.flows import judge_broadcasts
from notifications.flows.broadcast import plan_page
from notifications.flows.control import cancel_broadcast, pause, resume
from notifications.flows.fallback import fall_back
from notifications.flows.left_out import plan_left_out
from notifications.flows.record import record
from notifications.flows.replay import replay
from notifications.flows.sweep import consider_fallbacks, continue_broadcasts
from notifications.models import Broadcast, Category, Delivery, LeftOut
from notifications.models.delivery_queries import standing_of
from notifications.rules.standing import Change
from notifications.rules.transitions import parked as parked_at
from tests.came_to import came_to
from tests.live import wait_for

pytestmark = pytest.mark.django_db
BELL = {"product": "Bell"}


@pytest.fixture
def made(person: Callable[..., User]) -> Broadcast:
    """A broadcast to three people that is planned: by push, and who does not confirm that gets an email."""
    Category.objects.filter(slug="alerts").update(fallback_after=timedelta(minutes=5))
    return planned([person(f"token-tending-{number:04d}") for number in range(3)])


def planned(people: list[User]) -> Broadcast:
    """Broadcast to these people and plan it."""
    made: Broadcast = broadcast("price-alert", {"users": [str(user.pk) for user in people]}, BELL)
    assert not plan_page(made.pk)
    made.refresh_from_db()
    assert made.status == "sending"
    return made


def rows(made: Broadcast, channel: str = "push") -> Any:
    return Delivery.objects.filter(notification_id=made.notification_id, channel=channel).order_by("pk")


def unconfirmed(made: Broadcast, *, due_in: timedelta = timedelta()) -> None:
    """Let all its pushes have been taken by the provider, each of them waited for until then."""
    for row in rows(made).filter(state=State.PENDING):
        came_to(row, State.SENT)
    rows(made).update(fallback_at=timezone.now() + due_in)


def parked(made: Broadcast) -> Any:
    """Let what waits of it be as a worker leaves it that still reads "paused"."""
    rows(made).update(reason=Reason.PAUSED, due_at=timezone.now() + timedelta(days=30))
    return rows(made)


def done(made: Broadcast) -> Broadcast:
    """Let it be done, with a fallback to come."""
    unconfirmed(made, due_in=timedelta(minutes=5))
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "done"
    return made


def about_broadcasts(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if '"carillon_broadcast"' in query["sql"]]


# --- fallbacks


def test_one_that_is_done_goes_on_with_its_fallbacks_and_can_be_paused(made: Broadcast) -> None:
    done(made)
    rows(made).update(fallback_at=timezone.now())
    consider_fallbacks()
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("sending", None)
    assert rows(made, "email").filter(state=State.PENDING).count() == 3
    assert pause(made.pk).status == "paused"
    Broadcast.objects.update(status="sending")
    for row in rows(made, "email"):
        came_to(row, State.SENT)
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "done"
    assert made.finished_at is not None


def test_fallbacks_are_judged_too(made: Broadcast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_broadcasts, "_next_look", {})
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": {"most_failed": 0.2, "judged_from": 1}}
    done(made)
    rows(made).update(fallback_at=timezone.now())
    consider_fallbacks()
    for row in rows(made, "email")[:2]:
        came_to(row, State.FAILED)
    judge_broadcasts._next_look.clear()
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "stopped"


def test_one_that_is_done_is_cancelled_before_its_fallbacks_come(made: Broadcast) -> None:
    finished_at = done(made).finished_at
    assert finished_at is not None
    assert cancel_broadcast(made.pk).status == "cancelled"
    rows(made).update(fallback_at=timezone.now())
    consider_fallbacks()
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("cancelled", finished_at)
    assert not rows(made, "email").exists()
    assert not rows(made).filter(fallback_at__isnull=False).exists()


def test_past_its_retention_nothing_is_cancelled(made: Broadcast) -> None:
    Broadcast.objects.update(status="done", outcome={"counts": {}})
    with pytest.raises(WrongStatus, match="past its retention"):
        cancel_broadcast(made.pk)


def test_a_pause_uses_up_nobodys_patience(made: Broadcast) -> None:
    waits = rows(made).filter(state=State.PENDING)
    waits.update(reason=Reason.BREAKER_OPEN, fallback_at=timezone.now())
    pause(made.pk)
    consider_fallbacks()
    assert waits.filter(fallback_at=None).count() == 3
    assert not rows(made, "email").exists()


def test_a_resume_begins_with_new_patience(made: Broadcast) -> None:
    pause(made.pk)
    parked(made).update(fallback_at=timezone.now())
    resume(made.pk)
    consider_fallbacks()
    assert rows(made).filter(state=State.PENDING, fallback_at=None).count() == 3
    assert not rows(made, "email").exists()


def test_who_did_not_confirm_before_a_pause_falls_back_after_it(made: Broadcast) -> None:
    unconfirmed(made)
    pause(made.pk)
    consider_fallbacks()
    assert rows(made, "email").filter(state=State.PENDING).count() == 3


def test_one_message_asks_nothing_of_broadcasts(person: Callable[..., User]) -> None:
    alone = notify(person("token-tending-alone"), "price-alert", BELL)
    row = alone.deliveries.get()
    came_to(row, State.FAILED)
    with CaptureQueriesContext(connection) as queries:
        assert fall_back(row.pk)
    assert alone.deliveries.filter(channel="email", state=State.PENDING).exists()
    assert about_broadcasts(queries) == []


# --- what was final is sent anew


def ended_with(made: Broadcast, *states: State) -> list[Delivery]:
    """Let each of its pushes come to one of these states, and the broadcast be done."""
    pushes = list(rows(made))
    for row, state in zip(pushes, states, strict=True):
        came_to(row, state)
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "done"
    return pushes


def sent_anew(made: Broadcast) -> None:
    """Let a provider report that the first, which it had taken, must be sent again."""
    row = rows(made)[0]
    before = standing_of(row)
    assert record([Change(row.pk, before, parked_at(before, Reason.RETRY, timezone.now()))]) == {row.pk}


def test_one_that_is_done_goes_on_with_a_replay_and_can_be_paused(made: Broadcast) -> None:
    dead, *_ = ended_with(made, State.DEAD, State.SENT, State.SENT)
    assert replay([dead.pk], actor="root", reason="the provider is back").will_send == 1
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("sending", None)
    assert pause(made.pk).status == "paused"


def test_only_what_fails_after_a_replay_stops_it(
    made: Broadcast, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = ended_with(made, State.DEAD, State.DEAD, State.SENT)
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": {"most_failed": 0.2, "judged_from": 1}}
    monkeypatch.setattr(judge_broadcasts, "_next_look", {})
    replay([first.pk], actor="root", reason="the provider is back")
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "sending"
    first.refresh_from_db()
    came_to(first, State.FAILED)
    judge_broadcasts._next_look.clear()
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "stopped"


def test_those_replayed_later_are_judged_too(made: Broadcast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = ended_with(made, State.DEAD, State.DEAD, State.SENT)
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": {"most_failed": 0.2, "judged_from": 1}}
    monkeypatch.setattr(judge_broadcasts, "_next_look", {})
    for row in (first, second):
        replay([row.pk], actor="root", reason="the provider is back")
    first.refresh_from_db()
    came_to(first, State.FAILED)
    continue_broadcasts()
    made.refresh_from_db()
    assert made.status == "stopped"


def test_one_that_is_done_goes_on_with_what_a_report_sends_anew(made: Broadcast) -> None:
    ended_with(made, State.SENT, State.SENT, State.SENT)
    sent_anew(made)
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("sending", None)


# --- finishing while somebody plans


def in_another_connection(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return threading.Thread(target=run)


def has_looked(thread: threading.Thread) -> bool:
    """Whether the thread is through, or waits for what this connection holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return not thread.is_alive() or bool(cursor.fetchone()[0])


def next_channel(made: Broadcast) -> None:
    assert fall_back(rows(made)[0].pk)


def left_out_again(made: Broadcast) -> None:
    row = rows(made)[0]
    LeftOut.objects.create(broadcast=made, recipient=row.recipient, error="DataError")
    row.delete()
    assert plan_left_out(made.pk).planned == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("plan", [next_channel, left_out_again, sent_anew])
def test_none_is_done_over_what_is_being_planned(made: Broadcast, plan: Callable[[Broadcast], None]) -> None:
    unconfirmed(made)
    sweeper = in_another_connection(continue_broadcasts)
    with transaction.atomic():
        plan(made)
        sweeper.start()
        wait_for(lambda: has_looked(sweeper), "the sweeper to look")
    sweeper.join(60)
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("sending", None)


@pytest.mark.django_db(transaction=True)
def test_a_fallback_that_meets_its_end_opens_it_again(made: Broadcast) -> None:
    unconfirmed(made)
    worker = in_another_connection(lambda: next_channel(made))
    with transaction.atomic():
        Broadcast.objects.filter(pk=made.pk).update(status=BroadcastStatus.DONE, finished_at=Now())
        worker.start()
        wait_for(lambda: has_looked(worker), "the fallback to be planned")
    worker.join(60)
    made.refresh_from_db()
    assert (made.status, made.finished_at) == ("sending", None)


# --- cheap


def test_whom_they_are_for_is_not_read(
    person: Callable[..., User], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each that the sweeper looks at: to be planned, to be judged and let go on, to be cancelled, to be done."""
    monkeypatch.setattr(judge_broadcasts, "_next_look", {})
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "BROADCASTS": {"most_failed": 0.2, "judged_from": 1}}
    people = [person("token-tending-named")]
    new: Broadcast = broadcast("price-alert", {"users": [str(people[0].pk)]}, BELL)
    going_on, cancelled, over, failed = (planned(people) for _ in range(4))
    let_go = parked(going_on)
    Broadcast.objects.filter(pk=cancelled.pk).update(status="cancelled", finished_at=timezone.now())
    to_cancel = parked(cancelled)
    unconfirmed(over)
    came_to(rows(failed)[0], State.FAILED)
    with CaptureQueriesContext(connection) as queries:
        continue_broadcasts()
    found = [Broadcast.objects.get(pk=made.pk).status for made in (new, going_on, cancelled, over, failed)]
    assert found == ["planning", "sending", "cancelled", "done", "stopped"]
    assert [row.state for row in (*let_go, *to_cancel)] == ["pending", "cancelled"]
    assert not let_go.filter(reason=Reason.PAUSED).exists()
    assert [sql for sql in about_broadcasts(queries) if '"audience"' in sql or '"exclude"' in sql] == []


def test_those_for_later_cost_nothing(db: None) -> None:
    def looked() -> int:
        with CaptureQueriesContext(connection) as queries:
            continue_broadcasts()
        return len(queries)

    before = looked()
    for day in (1, 2, 3):
        broadcast("price-alert", {"all": True}, BELL, send_at=timezone.now() + timedelta(days=day))
    assert Broadcast.objects.filter(status="scheduled").count() == 3
    assert looked() == before


@pytest.mark.parametrize(
    ("days", "outcome", "state"),
    [(29, None, State.CANCELLED), (40, None, State.PENDING), (1, {"counts": {}}, State.PENDING)],
)
def test_only_what_was_cancelled_of_late_is_looked_through(
    made: Broadcast, days: int, outcome: object, state: State
) -> None:
    parked(made)
    long_ago = timezone.now() - timedelta(days=days)
    Broadcast.objects.update(status="cancelled", finished_at=long_ago)
    if outcome is not None:
        Broadcast.objects.update(outcome=outcome)
    continue_broadcasts()
    assert {row.state for row in rows(made)} == {state}
