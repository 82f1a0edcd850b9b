"""Plans: on a log of many weeks, hot statements go by an index, and read only the weeks that they are about.

The log is small here, so sequential scans are made dear, as they are on one of real size: what still scans has no index
to go by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from notifications.enums import Lane
from notifications.flows import leftovers, sweep
from notifications.flows.audiences import reached_by
from notifications.flows.find import find
from notifications.flows.record import record
from notifications.flows.seed import Load, seed
from notifications.flows.status import deliveries_of, progress_of
from notifications.flows.timeline import timeline
from notifications.models import Broadcast, Delivery
from notifications.models.console_queries import dead_groups
from notifications.models.delivery_queries import standing_of
from notifications.models.weeks import week_of
from notifications.rules import transitions
from notifications.rules.identity import time_of
from notifications.rules.standing import Change
from tests.query_plans import explained, read_by_work

pytestmark = pytest.mark.django_db
_LARGE = re.compile(r"carillon_(delivery|notification|deliveryevent)(_\d{8})?$|carillon_receipt$")


@pytest.fixture(scope="module")
def _seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A log of some weeks, and a planner that knows it; each test's own transaction is within this one."""
    with django_db_blocker.unblock(), transaction.atomic():
        assert max(seed(Load(2_000, 200, 4, 1))) == 2_000
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE carillon_delivery, carillon_notification, carillon_deliveryevent, carillon_receipt")
            cursor.execute("SET LOCAL enable_seqscan = off")
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _log(_seeded: None, db: None) -> None:
    """Each test looks at that log."""


def plans(work: Callable[[], object]) -> list[list[dict[str, Any]]]:
    """Return the nodes of the plan of every statement about the log that some work sends."""
    with CaptureQueriesContext(connection) as caught:
        work()
    sent = [item["sql"].strip() for item in caught.captured_queries]
    found = [
        explained(sql)
        for sql in sent
        if re.match("(SELECT|WITH|UPDATE|DELETE)", sql) and re.search("carillon_(deliver|notification|receipt)", sql)
    ]
    assert found
    return found


def scanned(work: Callable[[], object]) -> set[str]:
    """Return the tables of the log that some work scans, though it was told not to."""
    return {
        node["Relation Name"]
        for plan in plans(work)
        for node in plan
        if node["Node Type"] == "Seq Scan" and _LARGE.match(node["Relation Name"])
    }


def anyone() -> Delivery:
    found = Delivery.objects.filter(channel="push", device__isnull=False, notification__recipient__gt="").first()
    assert found is not None
    return found


def locked() -> None:
    with transaction.atomic():
        Delivery.objects.lock_due("push", Lane.NORMAL, 500)


@pytest.mark.parametrize(
    "work",
    [
        lambda: Delivery.objects.due_lane("push", tuple(Lane)),
        lambda: Delivery.objects.next_due("push"),
        locked,
        sweep.adopt_orphans,
        sweep.settle_uncertain,
        sweep.expire_pending,
        sweep.consider_fallbacks,
        sweep.continue_broadcasts,
        sweep.erase_secrets,
        lambda: dead_groups(1_000),
        leftovers.forget_receipts,
    ],
)
def test_nothing_that_runs_all_the_time_scans_the_log(work: Callable[[], object]) -> None:
    assert scanned(work) == set()


def crowd(count: int = 3_000) -> None:
    """Let far more wait than PostgreSQL knows of, as right after a page was planned: it took its figures before."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE carillon_delivery SET state = 'sent', reason = ''")
        cursor.execute("ANALYZE carillon_delivery")
        cursor.execute(
            "UPDATE carillon_delivery SET channel = 'push', lane = %s, state = 'pending', claim_id = NULL, "
            "due_at = now() - interval '1 minute' WHERE id IN (SELECT id FROM carillon_delivery LIMIT %s)",
            [Lane.BULK, count],
        )


def read_rows(work: Callable[[], object]) -> int:
    """Return how many rows of deliveries some work reads."""
    return read_by_work(work, "carillon_delivery", "carillon_delivery")


def locked_in_its_lane() -> None:
    with transaction.atomic():
        Delivery.objects.due_lane("push", tuple(Lane))
        Delivery.objects.lock_due("push", Lane.BULK, 100)


@pytest.mark.parametrize(
    ("work", "most"),
    [
        (lambda: Delivery.objects.due_lane("push", tuple(Lane)), 10),
        (lambda: Delivery.objects.channels_due(("push", "sms"), [Lane.CRITICAL, Lane.HIGH]), 0),
        (locked_in_its_lane, 1 + 110),
    ],
    ids=["due lane", "more urgent", "claim"],
)
def test_no_statement_of_a_drain_reads_all_that_waits(work: Callable[[], object], most: int) -> None:
    """Else each claim takes longer the more there is to send: with 10,000 waiting it took twenty times as long."""
    crowd()
    assert read_rows(work) <= most


@pytest.mark.parametrize("count", [30, 64, 400], ids=["some", "a group", "a claim"])
@pytest.mark.parametrize("is_known", [False, True], ids=["stale statistics", "fresh statistics"])
def test_what_is_recorded_is_read_by_its_keys(count: int, is_known: bool) -> None:
    """Whatever PostgreSQL expects to find: else each row of a group costs a look at all of the group."""
    crowd()
    # Chosen before anything is counted: how many rows PostgreSQL passes on its way to these is no promise of ours.
    waiting = list(Delivery.objects.filter(state="pending")[:count])
    changes = [
        Change(row.pk, standing_of(row), transitions.claimed(standing_of(row), 7, place, "fcm"))
        for place, row in enumerate(waiting, start=1)
    ]
    if is_known:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE carillon_delivery")
    recorded: list[object] = []
    read = read_rows(lambda: recorded.extend(record(changes)))
    assert len(recorded) == count
    # Locked, then written.
    assert read <= 3 * count


def test_nothing_that_support_asks_scans_the_log() -> None:
    somebody = anyone()
    carried = Delivery.objects.exclude(provider_message_id="")[0]
    person = find(somebody.recipient).people[0]
    for work in (
        lambda: find(str(somebody.pk)),
        lambda: find(carried.provider_message_id),
        lambda: timeline(person),
    ):
        assert scanned(work) == set()


@pytest.mark.parametrize(
    "work",
    [
        lambda made: progress_of([made]),
        lambda made: list(deliveries_of(made.notification_id)),
        lambda made: Delivery.objects.siblings(list(deliveries_of(made.notification_id)[:50])),
    ],
    ids=["progress", "deliveries", "siblings"],
)
def test_what_is_about_one_notification_reads_its_week_alone(work: Callable[[Broadcast], object]) -> None:
    made = Broadcast.objects.order_by("pk")[0]
    made.tallied = False  # else its progress reads no delivery at all
    week = week_of(time_of(made.notification_id)).of("carillon_delivery")
    read = {node.get("Relation Name") for plan in plans(lambda: work(made)) for node in plan}
    assert {name for name in read if name and name.startswith("carillon_delivery_")} == {week}


def unknown_broadcast(count: int = 3_000) -> tuple[Broadcast, list[Delivery]]:
    """Let a broadcast be far larger than PostgreSQL knows, as it is minutes after it was planned; return 50 of it."""
    made = Broadcast.objects.filter(pk__in=_with_deliveries()).order_by("pk")[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO carillon_delivery SELECT (jsonb_populate_record(NULL::carillon_delivery, to_jsonb(d) || "
            "jsonb_build_object("
            "    'id', left(replace(d.id::text, '-', ''), 12) || lpad(to_hex(i), 20, '0'),"
            "    'recipient', 'u:' || 1000000 + i, 'state', 'sent', 'attempt', 1, 'provider_message_id', '', "
            "    'claim_id', NULL))).* "
            "FROM (SELECT * FROM carillon_delivery WHERE notification_id = %s LIMIT 1) d, generate_series(1, %s) i",
            [made.notification_id, count],
        )
    return made, list(deliveries_of(made.notification_id).filter(recipient__gte="u:1000000")[:50])


def _with_deliveries() -> list[int]:
    return [made.pk for made in Broadcast.objects.all() if deliveries_of(made.notification_id).exists()]


@pytest.mark.parametrize(
    "circumstance",
    ["SELECT 1", "ANALYZE carillon_delivery", "SET LOCAL enable_nestloop = off"],
    ids=["stale statistics", "fresh statistics", "a planner that would rather read all"],
)
@pytest.mark.parametrize(
    ("work", "most"),
    [
        (lambda made, rows: Delivery.objects.siblings(rows), 50),
        (lambda made, rows: Delivery.objects.gathered_or_begun(rows), 50),
        (lambda made, rows: list(reached_by(made).filter(recipient__in=[row.recipient for row in rows])), 50),
        (lambda made, rows: list(reached_by(made).filter(recipient__gt="u:1").order_by("recipient")[:50]), 60),
    ],
    ids=["siblings", "begun", "reached among", "page of reached"],
)
def test_single_people_of_a_broadcast_are_not_found_by_reading_all_of_it(
    work: Callable[[Broadcast, list[Delivery]], object], most: int, circumstance: str
) -> None:
    made, rows = unknown_broadcast()
    with connection.cursor() as cursor:
        cursor.execute(circumstance)
    assert read_rows(lambda: work(made, rows)) <= most
