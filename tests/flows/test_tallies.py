"""Tallies are exact: whatever happens to deliveries, in whatever order, they say what a full count would say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from notifications import broadcast, conf, notify
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import tallies
from notifications.flows.broadcast import plan_page
from notifications.flows.claim import claim
from notifications.flows.control import cancel_broadcast, pause, resume
from notifications.flows.declare import load_declarations
from notifications.flows.erase import erase
from notifications.flows.record import insert, record
from notifications.flows.replay import replay
from notifications.flows.status import progress_of
from notifications.flows.sweep import expire_pending, settle_uncertain
from notifications.flows.tallies import add_up, grow_coarse, tally_older
from notifications.models import Broadcast, BroadcastTally, Delivery, NewDelivery, Notification, Tally, Traffic
from notifications.models.delivery_queries import standing_of
from notifications.rules.identity import delivery_id, new_id
from notifications.rules.standing import Change
from notifications.rules.transitions import ALLOWED, ended, parked, replayed
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers
from tests.live import work

pytestmark = pytest.mark.django_db
POST = {"title": "Bells"}
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
EXAMPLES = tuned(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def made() -> Broadcast:
    """A broadcast that nobody has planned yet."""
    notification = Notification.objects.create(template="new-post", category="news", version_id=1, created_at=NOW)
    return Broadcast.objects.create(notification_id=notification.pk, status="sending", audience={"all": True})


def planned(of: UUID, numbers: Iterator[int] | range, state: State = State.PENDING, **values: Any) -> list[Delivery]:
    """Return planned deliveries of a notification to people with these numbers."""
    fields = {"state": state, "reason": Reason.NEW, "due_at": NOW, "updated_at": NOW, "channel": "push", **values}
    return [
        Delivery(
            id=delivery_id(of, f"u:{number}", "push", "x"),
            notification_id=of,
            recipient=f"u:{number}",
            lane=3,
            **fields,
        )
        for number in numbers
    ]


def write_new(rows: list[Delivery]) -> None:
    """Write them as planning does."""
    insert([NewDelivery(row.pk.hex, *(getattr(row, name) for name in NewDelivery._fields[1:])) for row in rows])


def counted(of: Broadcast) -> dict[str, int]:
    """Return a broadcast's counts by a full count of its rows."""
    Broadcast.objects.filter(pk=of.pk).update(tallied=False)
    of.refresh_from_db()
    counts = asdict(progress_of([of])[of.pk].counts)
    Broadcast.objects.filter(pk=of.pk).update(tallied=True)
    of.refresh_from_db()
    return counts


def told(of: Broadcast) -> dict[str, int]:
    """Return a broadcast's counts as its tallies tell them."""
    of.refresh_from_db()
    assert of.tallied
    return asdict(progress_of([of])[of.pk].counts)


# --- exact


@EXAMPLES
@given(data=st.data())
def test_tallies_say_what_a_count_says(made: Broadcast, data: st.DataObject) -> None:
    """Any sequence of planning, planning again, changes in time and too late, and adding up at any moment."""
    with transaction.atomic():
        for _ in range(data.draw(st.integers(1, 12), "steps")):
            take_step(made, data)
            assert told(made) == counted(made)
        transaction.set_rollback(True)


def take_step(made: Broadcast, data: st.DataObject) -> None:
    rows = list(Delivery.objects.filter(notification_id=made.notification_id).order_by("recipient"))
    step = data.draw(st.sampled_from(["plan", "change", "change", "late", "add up", "fold"]))
    if step == "plan":
        first, count = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 6))
        write_new(planned(made.notification_id, range(first, first + count)))
    elif step in ("change", "late") and rows:
        chosen = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True, min_size=1))
        changes = [drawn(rows[number], data) for number in chosen]
        record(changes)
        if step == "late":
            record(changes)
    elif step == "add up":
        Tally.objects.add_up(data.draw(st.integers(1, 4)))
    elif step == "fold":
        Tally.objects.fold_broadcasts(-timedelta(minutes=5), 3)  # however young they are


def drawn(row: Delivery, data: st.DataObject) -> Change:
    """Return some change that the row may go through, or that is a replay."""
    before = standing_of(row)
    if before.state == State.DEAD and data.draw(st.booleans()):
        return Change(row.pk, before, replayed(before, NOW))
    state = data.draw(st.sampled_from(sorted(ALLOWED[before.state])))
    times = st.sampled_from([None, NOW])
    sent_at, delivered_at = data.draw(times), data.draw(times)
    tries = before.attempt + data.draw(st.integers(0, 1))
    after = before._replace(state=state, sent_at=sent_at, delivered_at=delivered_at, attempt=tries, reason=Reason.RETRY)
    return Change(row.pk, before, after)


def test_a_broadcasts_whole_life(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned, sent, parked, resumed, expired, held in doubt, cancelled and erased: by the flows themselves."""
    monkeypatch.setattr(conf, "PAGE_SIZE", 4)
    people = [person(f"token-life-{number:04d}") for number in range(12)]
    Follow.objects.bulk_create([Follow(user=user, author_id=7) for user in people])
    whole: Broadcast = broadcast("new-post", followers(author_id=7), POST)
    while plan_page(whole.pk):
        assert told_after_adding_up(whole) == counted(whole)
    Broadcast.objects.filter(pk=whole.pk).update(cursor="", status="planning")
    while plan_page(whole.pk):  # all of it again, after a crash
        assert told(whole)["planned"] == 12
    pause(whole.pk)
    work()
    resume(whole.pk)
    claim(Channel.PUSH, tuple(Lane), "test")
    rows = list(Delivery.objects.filter(notification_id=whole.notification_id).order_by("pk"))
    assert told(whole)["waiting"] == counted(whole)["waiting"] == 12
    doubtful = standing_of(rows[0])._replace(state=State.UNCERTAIN, attempt=1, maybe_sent=True)
    dead = ended(standing_of(rows[1]), State.DEAD, Reason.RETRIES_EXHAUSTED, NOW)
    record([Change(rows[0].pk, standing_of(rows[0]), doubtful), Change(rows[1].pk, standing_of(rows[1]), dead)])
    assert (told(whole)["uncertain"], told(whole)["dead"]) == (1, 1)
    settle_uncertain()
    replay([rows[1].pk], actor="root", reason="test")
    Delivery.objects.filter(pk=rows[2].pk).update(state=State.PENDING, claim_id=None, expires_at=NOW)
    expire_pending()
    assert told(whole) == counted(whole)
    assert told(whole)["expired"] == 1
    Delivery.objects.filter(state=State.SENDING).update(state=State.PENDING, claim_id=None)
    work()
    assert told(whole) == counted(whole)
    assert told(whole)["sent"] >= 9
    cancel_broadcast(whole.pk)
    assert told_after_adding_up(whole) == counted(whole)


def told_after_adding_up(of: Broadcast) -> dict[str, int]:
    """Return what tallies tell, which is the same before and after they are added up."""
    before = told(of)
    add_up()
    assert not Tally.objects.exists()
    assert told(of) == before
    return before


def test_who_is_erased_waits_no_more(made: Broadcast, person: Callable[..., User]) -> None:
    user = person("token-erased-0001")
    write_new(planned(made.notification_id, [user.pk, user.pk + 1]))
    erase(f"u:{user.pk}", actor="test")
    assert (told(made)["waiting"], told(made)["cancelled"], told(made)["planned"]) == (1, 1, 2)


# --- exact under concurrency


@pytest.fixture
def lasting(transactional_db: None, made: Broadcast) -> Broadcast:
    """The broadcast where transactions are real."""
    load_declarations()
    return made


def together(*works: Callable[[], object]) -> None:
    """Do these at the same time, each over a connection of its own."""
    errors: list[BaseException] = []
    begin = threading.Barrier(len(works), timeout=60)

    def run(work: Callable[[], object]) -> None:
        try:
            begin.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []


def expired(row: Delivery) -> Change:
    """Return the change that lets it expire."""
    return Change(row.pk, standing_of(row), ended(standing_of(row), State.EXPIRED, Reason.TTL, NOW))


@pytest.mark.django_db(transaction=True)
def test_two_planners_of_one_page_and_two_recorders_of_one_change_count_once(lasting: Broadcast) -> None:
    page = planned(lasting.notification_id, range(200))
    together(lambda: write_new(page), lambda: write_new(page[::-1][:150]), lambda: write_new(page[50:]))
    assert told(lasting)["planned"] == told(lasting)["waiting"] == 200
    rows = list(Delivery.objects.all())
    changes = [
        Change(row.pk, standing_of(row), ended(standing_of(row), State.EXPIRED, Reason.TTL, NOW)) for row in rows
    ]
    together(lambda: record(changes), lambda: record(changes[::-1]), lambda: record(changes[:120]))
    assert told(lasting) == counted(lasting)
    assert told(lasting)["expired"] == 200


@pytest.mark.django_db(transaction=True)
def test_adding_up_beside_writers_loses_nothing_and_readers_see_every_sum(lasting: Broadcast) -> None:
    """Two sweepers, two writers, one reader: whenever it looks, each row planned is in exactly one state."""
    writers, pages = 2, 25
    done: list[int] = []
    torn: list[dict[str, int]] = []

    def write(number: int) -> None:
        for page in range(pages):
            first = (number * pages + page) * 4
            with transaction.atomic():
                write_new(planned(lasting.notification_id, range(first, first + 4)))
                rows = Delivery.objects.filter(recipient__in=[f"u:{first}", f"u:{first + 1}"])
                record(
                    Change(row.pk, standing_of(row), ended(standing_of(row), State.SKIPPED, Reason.PREFERENCE, NOW))
                    for row in rows
                )
        done.append(number)

    def sweep() -> None:
        while len(done) < writers:
            Tally.objects.add_up(3)
            Tally.objects.fold_broadcasts(-timedelta(minutes=5), 2)

    def read() -> None:
        while len(done) < writers:
            seen = told(lasting)
            # Each transaction plans four and skips two of them: nobody ever sees half of one.
            if seen["planned"] % 4 or seen["planned"] != seen["waiting"] + seen["skipped"] != 2 * seen["skipped"]:
                torn.append(seen)

    together(*(lambda number=number: write(number) for number in range(writers)), sweep, sweep, read)  # type: ignore[misc]
    assert torn == []
    assert told(lasting) == counted(lasting)
    assert told(lasting)["planned"] == writers * pages * 4
    add_up()
    assert sum(Traffic.objects.filter(was="").values_list("moved", flat=True)) == writers * pages * 4


@pytest.mark.django_db(transaction=True)
def test_what_rolls_back_was_never_counted(lasting: Broadcast) -> None:
    with transaction.atomic():
        write_new(planned(lasting.notification_id, range(5)))
        transaction.set_rollback(True)
    assert not Tally.objects.exists()
    assert not any(told(lasting).values())


# --- cheap


def test_progress_reads_tallies_and_no_deliveries(made: Broadcast) -> None:
    """Ten times the deliveries, the same few rows read, in the same one statement."""

    def read(count: int) -> list[int]:
        write_new(planned(made.notification_id, range(count)))
        add_up()
        with CaptureQueriesContext(connection) as caught:
            progress_of([made])
        assert len(caught) == 1
        assert "carillon_delivery" not in caught[0]["sql"]
        return [BroadcastTally.objects.count(), Tally.objects.count()]

    few = read(300)
    assert read(3_000) in (few, [few[0] + 1, 0])  # one more where another ten seconds have begun
    assert told(made)["planned"] == 3_000


def test_a_list_of_broadcasts_is_one_statement(made: Broadcast) -> None:
    others = [
        Broadcast.objects.create(notification_id=new_id(), status="sending", audience={"all": True}) for _ in range(9)
    ]
    with CaptureQueriesContext(connection) as caught:
        assert len(progress_of([made, *others])) == 10
    assert len(caught) == 1


def test_a_claim_adds_nothing_and_a_group_of_results_adds_a_row(made: Broadcast) -> None:
    write_new(planned(made.notification_id, range(64)))
    Tally.objects.all().delete()
    rows = list(Delivery.objects.all())
    held = [standing_of(row)._replace(state=State.SENDING, claim_id=1, position=1) for row in rows]
    record(Change(row.pk, standing_of(row), standing) for row, standing in zip(rows, held, strict=True))
    assert not Tally.objects.exists()
    sent = [item._replace(state=State.SENT, sent_at=NOW + timedelta(seconds=1), claim_id=None) for item in held]
    with CaptureQueriesContext(connection) as caught:
        record(Change(row.pk, before, after) for row, before, after in zip(rows, held, sent, strict=True))
    assert len([query for query in caught if "SAVEPOINT" not in query["sql"]]) == 1
    tally = Tally.objects.get()
    assert (tally.was, tally.state, tally.moved, tally.sent) == ("pending", "sent", 64, 64)
    assert (tally.category, tally.channel) == ("news", "push")
    assert 2 ** (tally.lag / 2) <= 1_000 < 2 ** ((tally.lag + 1) / 2)


# --- rates, roll-ups, and what was there before


def test_the_rate_is_that_of_the_last_minute_and_the_end_follows_from_it(made: Broadcast) -> None:
    now = Delivery.objects.database_now()
    hour = timedelta(hours=1)
    Broadcast.objects.filter(pk=made.pk).update(started_at=now - hour, planned_at=now - hour)
    made.refresh_from_db()
    for slot, sent, waiting in ((now - hour, 100_000, -100_000), (now - timedelta(seconds=20), 600, 1_200)):
        values = {"notification_id": made.notification_id, "slot": slot, "delivered": 0}
        BroadcastTally.objects.create(state="sent", held=sent, sent=sent, **values)
        BroadcastTally.objects.create(state="pending", held=waiting + sent * (sent > 1_000), sent=0, **values)
    seen = progress_of([made])[made.pk]
    assert seen.counts.waiting == 1_200
    assert seen.per_second is not None
    assert seen.eta is not None
    assert 600 / 61 <= seen.per_second <= 600 / 49
    assert timedelta(seconds=1_200 * 49 / 600) <= seen.eta - now <= timedelta(seconds=1_200 * 61 / 600 + 60)


def test_traffic_is_by_minute_then_by_hour_then_gone(made: Broadcast, person: Callable[..., User]) -> None:
    notify(person("token-traffic-0001"), "new-follower", {"name": "A"})
    add_up()
    row = Traffic.objects.get()
    assert (row.channel, row.category, row.was, row.state, row.moved, row.seconds) == (
        "push", "social", "", "pending", 1, 60
    )  # fmt: skip
    assert not BroadcastTally.objects.exists()
    old = Delivery.objects.database_now().replace(minute=0) - tallies.MINUTES_KEPT - timedelta(hours=3)
    values = {"channel": "sms", "state": "sent", "reason": "", "lag": 4, "seconds": 60}
    Traffic.objects.bulk_create(
        [Traffic(begins=old + timedelta(minutes=number), moved=number, **values) for number in (0, 1, 59, 60)]
    )
    Traffic.objects.create(begins=old - tallies.HOURS_KEPT, moved=1, **{**values, "seconds": 3600})
    grow_coarse()
    grow_coarse()
    hours = Traffic.objects.filter(seconds=3600).order_by("begins")
    assert [(item.begins.minute, item.moved) for item in hours] == [(0, 60), (0, 60)]
    assert Traffic.objects.filter(seconds=60).get() == row


def test_a_failed_attempt_that_waits_again_is_traffic_and_changes_no_count(made: Broadcast) -> None:
    write_new(planned(made.notification_id, range(1)))
    row = Delivery.objects.get()
    before = standing_of(row)
    again = parked(before, Reason.RETRY, NOW)._replace(attempt=1, provider="fcm")
    record([Change(row.pk, before, again)])
    record([Change(row.pk, again, parked(again, Reason.PACED, NOW))])  # no attempt: nothing to tell
    tally = Tally.objects.get(was="pending")
    assert (tally.state, tally.reason, tally.provider, tally.moved) == ("pending", "retry", "fcm", 1)
    assert told(made) == counted(made)


def test_a_broadcast_of_before_is_counted_until_it_is_over_and_tallied(made: Broadcast) -> None:
    Delivery.objects.bulk_create(planned(made.notification_id, range(3)))
    Delivery.objects.bulk_create(planned(made.notification_id, range(3, 5), State.SENT, sent_at=NOW, reason=""))
    Broadcast.objects.filter(pk=made.pk).update(tallied=False)
    made.refresh_from_db()
    before = progress_of([made])[made.pk].counts
    assert (before.planned, before.waiting, before.sent) == (5, 3, 2)
    row = Delivery.objects.filter(state=State.PENDING)[0]
    record([Change(row.pk, standing_of(row), ended(standing_of(row), State.CANCELLED, Reason.NONE, NOW))])
    tally_older()
    made.refresh_from_db()
    assert not made.tallied
    Broadcast.objects.filter(pk=made.pk).update(status="done", finished_at=NOW)
    tally_older()
    made.refresh_from_db()
    assert told(made) == counted(made)
    assert (told(made)["waiting"], told(made)["cancelled"], told(made)["sent"]) == (2, 1, 2)
