"""`carillon seed-load`: what it makes holds together, is the same each time, and goes away again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, F

from notifications.enums import State
from notifications.flows import seed
from notifications.flows.belongings import known_recipients
from notifications.flows.erase import erase
from notifications.flows.find import find
from notifications.flows.retention import apply_retention
from notifications.flows.status import progress_of
from notifications.flows.timeline import timeline
from notifications.flows.weeks import drop_weeks
from notifications.models import (
    Broadcast,
    BroadcastTally,
    Category,
    Delivery,
    DeliveryEvent,
    Device,
    Mark,
    Notification,
    Preference,
    Receipt,
    Suppression,
    Template,
)
from notifications.models.weeks import PARTITIONED, has_strays
from notifications.rules.identity import time_of

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = (
    Notification, Delivery, DeliveryEvent, Receipt, Broadcast, BroadcastTally, Device, Preference, Suppression,
    Template, User,
)  # fmt: skip


def run(*arguments: str) -> str:
    """Return what the command says about itself."""
    out = StringIO()
    call_command("carillon", "seed-load", *arguments, stdout=StringIO(), stderr=out, skip_checks=True)
    return out.getvalue()


@pytest.fixture(autouse=True)
def debugging(settings: Any) -> Iterator[None]:
    settings.DEBUG = True
    yield
    with connection.cursor() as cursor:
        for table in PARTITIONED:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
                " AND inhrelid::regclass::text < %s",
                [table, f"{table}_{seed.week_of(Delivery.objects.database_now()).start:%Y%m%d}"],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TABLE {name}")


def fill(deliveries: int = 1000) -> str:
    return run("--deliveries", str(deliveries), "--users", "200", "--weeks", "3")


def test_weeks_that_a_sweeper_drops_meanwhile_are_made_again_before_they_are_filled() -> None:
    for _ in seed.seed(seed.Load(1_000, 200, 3, 1)):
        drop_weeks()
    assert Delivery.objects.count() == 1_000
    assert not any(has_strays(connection.alias, table) for table in PARTITIONED)


def test_what_it_makes_holds_together() -> None:
    assert "There are 1,000 seeded deliveries to 200 users" in fill()
    now = Delivery.objects.database_now()
    assert Delivery.objects.count() == 1000
    assert not any(has_strays(connection.alias, table) for table in PARTITIONED)
    assert Broadcast.objects.count() == 3
    assert {row.audience["all_users"] for row in Broadcast.objects.all()} == {True}
    for row in Delivery.objects.select_related("notification", "device"):
        assert not State(row.state).is_open
        assert time_of(row.pk) == time_of(row.notification_id) == row.notification.created_at
        assert row.notification.recipient in ("", row.recipient)
        assert row.due_at <= row.updated_at < now
        if row.device is not None:
            assert row.recipient == f"u:{row.device.user_id}"
            assert row.address == row.device.address
    ages = [now - at for at in Notification.objects.values_list("created_at", flat=True)]
    assert max(ages) > timedelta(days=20)
    assert min(ages) < timedelta(days=5)  # the last of five is a broadcast, at the beginning of its part
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"push", "sms", "email"}
    assert DeliveryEvent.objects.filter(delivery__notification__owner="seed-load").count() > 5
    assert Receipt.objects.count() > 5
    by_tallies = progress_of(Broadcast.objects.all())
    assert all(made.planned == by_tallies[made.pk].counts.planned == 200 for made in Broadcast.objects.all())
    assert set(Broadcast.objects.values_list("tallied", flat=True)) == {True}
    Broadcast.objects.update(tallied=False)  # so its rows are counted
    assert progress_of(Broadcast.objects.all()) == by_tallies


def test_search_timeline_erase_and_retention_work_on_it() -> None:
    fill()
    push = Delivery.objects.filter(channel="push", device__isnull=False, notification__recipient__gt="").first()
    assert push is not None
    for term in (str(push.pk), push.address, push.recipient):
        found = find(term)
        assert [person.recipient for person in found.people] == [push.recipient]
    assert push.pk in {row.pk for entry in timeline(found.people[0]).entries for row, _ in entry.deliveries}
    mine = Delivery.objects.filter(recipient=push.recipient).count()
    assert erase(known_recipients(push.recipient)[0], actor="test")["deliveries"] == mine
    Category.objects.filter(slug="seed-load-news").update(retention=timedelta(days=7))
    assert apply_retention() > 0


def test_it_is_the_same_each_time_and_goes_away() -> None:
    before = [model.objects.count() for model in TABLES]

    def made() -> list[tuple[Any, ...]]:
        fields = (F("channel"), F("state"), F("reason"), F("attempt"))
        counted = Delivery.objects.values_list(*fields).annotate(n=Count("pk"))
        return list(counted.order_by("channel", "state", "reason", "attempt"))

    fill()
    first = made()
    run("--remove")
    assert [model.objects.count() for model in TABLES] == before
    assert not Category.objects.filter(slug__startswith="seed-load").exists()
    fill()
    assert made() == first
    assert "1,000 deliveries were taken away" in run("--remove")


def test_one_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = seed.fill, []

    def failing(*args: Any, **options: Any) -> int:
        calls.append(1)
        if len(calls) == 3:
            raise ConnectionResetError("interrupted")
        return real(*args, **options)

    monkeypatch.setattr(seed, "fill", failing)
    with pytest.raises(ConnectionResetError):
        fill()
    assert Delivery.objects.count() == 400
    fill()
    assert Delivery.objects.count() == 1000
    assert "1,000 seeded" in fill()
    assert Delivery.objects.count() == 1000
    with pytest.raises(CommandError, match="another load is there"):
        fill(2000)


def test_removing_takes_nothing_else() -> None:
    fill(200)
    version = Template.objects.filter(slug="seed-load-news").values_list("current", flat=True).get()
    other = Notification.objects.create(
        recipient="u:1", template="t", category="news", version_id=version, created_at=Delivery.objects.database_now()
    )
    somebody = User.objects.create(username="seedling")
    run("--remove")
    assert Notification.objects.get() == other
    assert User.objects.get() == somebody
    assert not Mark.objects.filter(name="seed-load").exists()


def test_it_asks_where_debug_is_off(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--yes"):
        fill()
    assert Delivery.objects.count() == 0
    run("--deliveries", "10", "--users", "5", "--weeks", "1", "--yes")
    assert Delivery.objects.count() == 10
