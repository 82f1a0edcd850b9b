"""Weeks: the log is dropped by whole weeks once all in them is over, and what DEFAULT caught finds its week."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now

from notifications import conf
from notifications.enums import BroadcastStatus, State
from notifications.flows import weeks
from notifications.flows.retention import apply_retention
from notifications.flows.status import progress_of
from notifications.flows.weeks import drop_weeks, keep_partitions
from notifications.models import (
    Alert,
    Broadcast,
    Category,
    Delivery,
    DeliveryEvent,
    Digest,
    DigestItem,
    Notification,
    Receipt,
    week_drop,
)
from notifications.models import weeks as tables
from notifications.models.partitions import make_partitions
from notifications.models.weeks import PARTITIONED, Week, gone_weeks, has_strays, make_week, week_of, weeks_of
from notifications.rules.identity import first_id_at

from .test_retention import DAY, delivered, held, made

pytestmark = pytest.mark.django_db(transaction=True)


def ago(days: float) -> datetime:
    return datetime.now(UTC) - days * DAY


@pytest.fixture(autouse=True)
def _retention() -> Iterator[None]:
    for slug, days in (("social", 30), ("news", 60)):
        Category.objects.update_or_create(slug=slug, defaults={"retention": days * DAY, "channels": ["push"]})
    Category.objects.exclude(slug__in=("social", "news")).update(retention=30 * DAY)
    weeks._places.clear()
    weeks._kept_until.clear()
    weeks._strays_since.clear()
    yield
    with connection.cursor() as cursor:  # the flush between tests knows no partitions
        for table in PARTITIONED:
            for week in gone_weeks(connection.alias):
                cursor.execute(f"DROP TABLE IF EXISTS {week.of(table)}_gone")
            for week in weeks_of(connection.alias, table):
                if week.end < ago(1):
                    cursor.execute(f"DROP TABLE {week.of(table)}")


def week_with(*days: float) -> None:
    make_partitions(connection.alias, [week_of(ago(item)) for item in days])


def there() -> list[Week]:
    """Return the weeks of deliveries that lie in the past."""
    return [week for week in weeks_of(connection.alias, "carillon_delivery") if week.end < ago(7)]


def test_a_week_that_is_over_goes_with_all_that_hangs_on_it() -> None:
    week_with(80, 40)
    made(80 * DAY, State.SENT, State.FAILED, category="news")
    made(80 * DAY)
    kept = made(40 * DAY, category="news")  # within the longest retention
    drop_weeks()
    assert there() == [week_of(ago(40))]
    assert gone_weeks(connection.alias) == []
    assert held() == (1, 1, 1, 1)
    assert Notification.objects.get() == kept


def test_a_week_stays_while_a_category_in_it_is_kept() -> None:
    week_with(50)
    made(50 * DAY)
    made(50 * DAY, category="news")
    drop_weeks()
    assert held()[0] == 2
    Category.objects.filter(slug="news").update(retention=None)
    made(90 * DAY, category="news")
    drop_weeks()
    assert held()[0] == 3


def test_a_category_that_is_gone_is_kept_as_long_as_the_settings_say(settings: Any) -> None:
    week_with(80)
    made(80 * DAY, category="gone-since")
    drop_weeks()
    assert held()[0] == 1
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RETENTION": {"log_days": 50}}
    drop_weeks()
    assert held() == (0, 0, 0, 0)


@pytest.mark.parametrize("state", [State.PENDING, State.SENDING, State.UNCERTAIN, State.DEAD])
def test_what_is_not_over_keeps_its_week(state: State) -> None:
    week_with(80)
    made(80 * DAY, State.SENT, state)
    drop_weeks()
    assert held() == (1, 2, 2, 2)
    Delivery.objects.filter(state=state).update(state=State.CANCELLED)
    drop_weeks()
    assert held()[0] == 1  # looked at again in an hour, not each minute
    weeks._kept_until.clear()
    drop_weeks()
    assert held() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda: Delivery.objects.update(fallback_at=Now()),
        lambda: Delivery.objects.update(updated_at=Now()),
        lambda: Receipt.objects.update(due_at=Now()),
        lambda: Notification.objects.update(send_at=ago(59)),
    ],
    ids=["the next channel may follow", "changed just now", "a receipt is unread", "sent later than asked for"],
)
def test_what_may_still_change_keeps_its_week(change: Any) -> None:
    week_with(80)
    made(80 * DAY, category="news")
    change()
    drop_weeks()
    assert held() == (1, 1, 1, 1)


def test_a_digest_that_gathers_keeps_its_week_and_goes_with_it() -> None:
    week_with(80)
    member = made(80 * DAY, State.DIGESTED)
    digest = Digest(id=UUID(int=first_id_at(ago(80)).int | 7), recipient="u:1", category="social", channel="push")
    digest.due_at = ago(79)
    digest.save()
    DigestItem.objects.create(digest=digest, notification_id=member.pk, delivery_id=member.deliveries.get().pk)
    drop_weeks()
    assert held()[0] == 1
    Digest.objects.update(notification_id=member.pk)
    weeks._kept_until.clear()
    drop_weeks()
    assert held() == (0, 0, 0, 0)
    assert not Digest.objects.exists()


def test_a_broadcast_keeps_its_counts() -> None:
    week_with(80)
    notification = made(80 * DAY, State.SENT, State.SENT, State.FAILED, recipient="")
    old = Broadcast.objects.create(
        notification_id=notification.pk, status=BroadcastStatus.SENDING, audience={"users": ["1"]}, members=3, planned=3
    )
    drop_weeks()
    assert held()[0] == 1
    Broadcast.objects.update(status=BroadcastStatus.DONE)
    before = progress_of([old])[old.pk].counts
    weeks._kept_until.clear()
    drop_weeks()
    assert held() == (0, 0, 0, 0)
    old.refresh_from_db()
    assert progress_of([old])[old.pk].counts == before
    assert old.audience == {"users": []}


def test_events_of_deliveries_that_stay_are_kept() -> None:
    week_with(90, 80)
    letter = made(90 * DAY, State.DEAD)
    made(80 * DAY)
    late = DeliveryEvent.objects.create(  # lies in the week that goes
        id=first_id_at(ago(80)), delivery=letter.deliveries.get(), at=ago(80), state=State.SENT
    )
    drop_weeks()
    assert held()[:2] == (1, 1)
    assert DeliveryEvent.objects.filter(pk=late.pk).exists()
    assert DeliveryEvent.objects.count() == 2  # those of the delivery that is gone went
    Delivery.objects.update(state=State.CANCELLED)
    weeks._kept_until.clear()
    drop_weeks()
    drop_weeks()
    assert DeliveryEvent.objects.count() == 0
    assert [week for week in weeks_of(connection.alias, "carillon_deliveryevent") if week.end < ago(7)] == []


def test_a_week_is_read_in_steps_and_goes_on_at_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(week_drop, "LOOK_BATCH", 2)
    monkeypatch.setattr(weeks, "LOOK_BATCH", 2)
    monkeypatch.setattr(conf, "REPAIR_SECONDS", 0.0)
    week_with(80)
    made(80 * DAY, *[State.SENT] * 5)
    turns = 0
    while held() != (0, 0, 0, 0) or gone_weeks(connection.alias):
        drop_weeks()
        turns += 1
        assert turns < 30
    assert turns > 3


def test_what_was_interrupted_after_it_was_taken_off_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    week_with(80)
    made(80 * DAY)

    def interrupted(*_: object) -> None:
        raise ConnectionResetError("interrupted")

    real = weeks.drop_gone
    monkeypatch.setattr(weeks, "drop_gone", interrupted)
    with pytest.raises(ConnectionResetError):
        drop_weeks()
    monkeypatch.setattr(weeks, "drop_gone", real)
    assert held()[:2] == (0, 0)
    assert gone_weeks(connection.alias) == [week_of(ago(80))]
    drop_weeks()
    assert gone_weeks(connection.alias) == []
    assert held() == (0, 0, 0, 0)


def test_nobody_waits_behind_a_drop_that_waits_for_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LOCK_MILLISECONDS", 50)
    week_with(80)
    made(80 * DAY)
    reading, enough = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            Delivery.objects.count()
            reading.set()
            enough.wait(60)
        connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert reading.wait(60)
        drop_weeks()  # gives up after 50 ms, and nothing has changed
        assert held() == (1, 1, 1, 1)
    finally:
        enough.set()
        reader.join()
    drop_weeks()  # in a minute, not in an hour
    assert held() == (0, 0, 0, 0)


def test_what_is_kept_longest_waits_for_its_week_and_for_no_longer_than_two_days_more() -> None:
    monday = week_of(ago(60)).start
    age = datetime.now(UTC) - monday
    made(age - timedelta(hours=1), category="news")
    made(31 * DAY)  # of a shorter retention: by batches, at once
    Category.objects.filter(slug="news").update(retention=age - timedelta(hours=2))
    assert apply_retention() == 1
    Category.objects.filter(slug="news").update(retention=age - timedelta(days=9, hours=1))
    assert apply_retention() == 1


@pytest.mark.parametrize("days", [400, 20, -300], ids=["long ago", "weeks ago", "in the far future"])
def test_what_the_default_partition_caught_finds_its_week(days: int) -> None:
    notification = made(days * DAY, State.SENT, State.PENDING, State.DEAD)
    assert all(has_strays(connection.alias, table) for table in PARTITIONED)
    before = {row.pk: (row.state, row.updated_at) for row in Delivery.objects.all()}
    keep_partitions()
    assert not any(has_strays(connection.alias, table) for table in PARTITIONED)
    assert {row.pk: (row.state, row.updated_at) for row in Delivery.objects.all()} == before
    assert Notification.objects.get() == notification
    with connection.cursor() as cursor:
        for table in PARTITIONED:
            name = week_of(ago(days)).of(table)
            cursor.execute(f"SELECT count(*) FROM {name}")
            assert cursor.fetchone()[0] == {"carillon_notification": 1}.get(table, 3)
            if days < 0:
                cursor.execute(f"DROP TABLE {name}")


def test_rows_of_several_weeks_are_moved_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "COPY_BATCH", 3)
    for days in (20, 30):
        made(days * DAY, *[State.SENT] * 8)
    keep_partitions()
    assert held() == (2, 16, 16, 16)
    assert there() == [week_of(ago(30)), week_of(ago(20))]
    assert not has_strays(connection.alias, "carillon_delivery")


def test_what_changes_while_it_is_copied_arrives_as_it_is_then(monkeypatch: pytest.MonkeyPatch) -> None:
    notification = made(20 * DAY, State.SENT, State.SENT, State.SENT)
    keys = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
    copy = tables._copy_ahead

    def changed(using: str, table: str, week: Week) -> int:
        count = copy(using, table, week)
        Delivery.objects.filter(pk=keys[0]).update(state=State.DELIVERED)
        Delivery.objects.filter(pk=keys[1]).delete()
        delivered(notification, State.PENDING, 9)
        return count

    monkeypatch.setattr(tables, "_copy_ahead", changed)
    assert make_week(connection.alias, "carillon_delivery", week_of(ago(20)))
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert len(states) == 3
    assert (states[keys[0]], states[keys[2]]) == (State.DELIVERED, State.SENT)
    assert keys[1] not in states
    assert not has_strays(connection.alias, "carillon_delivery")


def test_rows_that_stay_in_the_default_partition_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    key = UUID(int=(1 << 128) - 1)  # of the year 10889
    Notification.objects.create(id=key, recipient="u:1", template="t", category="c", version_id=1, created_at=ago(0))
    keep_partitions()
    assert not Alert.objects.exists()
    monkeypatch.setattr(weeks, "STRAYS_SECONDS", 0.0)
    keep_partitions()
    assert Alert.objects.get().subject == "carillon_notification"
