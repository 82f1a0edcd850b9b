"""Retention: what is over and too old goes with all that hangs on it; nothing else does, and nothing goes by halves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from notifications import broadcast, conf
from notifications.enums import BroadcastStatus, Channel, Reason, ReceiptKind, State
from notifications.exceptions import InvalidData
from notifications.flows import retention, sweep
from notifications.flows.retention import apply_retention
from notifications.flows.status import progress_of
from notifications.models import (
    Broadcast,
    Category,
    Delivery,
    DeliveryEvent,
    Digest,
    DigestItem,
    IdempotencyKey,
    Notification,
    Receipt,
    RefusedRequest,
)
from notifications.models.partitions import ensure_partitions
from notifications.rules.identity import delivery_id, first_id_at
from tests.query_plans import explained

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
_serial = iter(range(10**9))


@pytest.fixture(autouse=True)
def _retention() -> None:
    Category.objects.filter(slug="social").update(retention=30 * DAY)


def ago(age: timedelta) -> datetime:
    """Return a moment so long ago."""
    return datetime.now(UTC) - age


def made(
    age: timedelta = 31 * DAY, *states: State, category: str = "social", recipient: str = "u:1", **values: Any
) -> Notification:
    """Make a notification of so long ago, with a delivery in each of these states, and what hangs on each."""
    when = ago(age)
    key = UUID(int=first_id_at(when).int | 0x7 << 76 | next(_serial))
    notification = Notification.objects.create(
        id=key, recipient=recipient, template="new-follower", category=category, version_id=1, created_at=when, **values
    )
    for number, state in enumerate(states or (State.SENT,)):
        delivered(notification, state, number)
    return notification


def delivered(notification: Notification, state: State, number: int, **values: Any) -> Delivery:
    """Make a delivery with an event and a receipt."""
    who = notification.recipient or f"u:{number}"
    key = delivery_id(notification.pk, who, "push", str(number))
    when = notification.created_at
    fields = {"due_at": when, "updated_at": when, "sent_at": when if state == State.SENT else None, **values}
    row = Delivery(
        id=key, notification=notification, recipient=who, channel=Channel.PUSH, lane=2, state=state, **fields
    )
    Delivery.objects.bulk_create([row])
    event = UUID(int=first_id_at(when + timedelta(minutes=1)).int | 0x7 << 76 | next(_serial))
    DeliveryEvent.objects.create(id=event, delivery=row, at=when, state=State.SENT)
    Receipt.objects.create(
        provider="fcm", event_key=str(key), kind=ReceiptKind.DELIVERED, delivery_id=key, received_at=when
    )
    return row


def held() -> tuple[int, ...]:
    """Count what is kept, by table."""
    return tuple(model.objects.count() for model in (Notification, Delivery, DeliveryEvent, Receipt))


def statements(work: Callable[[], object]) -> list[str]:
    """Return the statements that some work sends, without those that only begin and end."""
    with CaptureQueriesContext(connection) as caught:
        work()
    return [item["sql"] for item in caught.captured_queries if "SAVEPOINT" not in item["sql"]]


def test_what_is_over_and_too_old_goes_with_all_that_hangs_on_it() -> None:
    final = [state for state in State if not state.is_open and state not in (State.DEAD, State.DIGESTED)]
    made(31 * DAY, *final)
    kept = made(29 * DAY)
    assert apply_retention() == len(final)
    assert held() == (1, 1, 1, 1)
    assert Notification.objects.get() == kept


def test_other_categories_keep_theirs() -> None:
    made(category="news")
    made(category="gone-since")
    assert apply_retention() == 0
    assert held() == (2, 2, 2, 2)


@pytest.mark.parametrize("state", [State.PENDING, State.SENDING, State.UNCERTAIN, State.DEAD])
def test_what_is_not_over_stays_with_its_whole_notification(state: State) -> None:
    made(90 * DAY, State.SENT, state, State.DELIVERED)
    made(90 * DAY)  # what waits does not keep others
    assert apply_retention() == 1
    assert held() == (1, 3, 3, 3)
    Delivery.objects.filter(state=state).update(state=State.CANCELLED)
    assert apply_retention() == 3
    assert held() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"fallback_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"updated_at": datetime.now(UTC)},
    ],
    ids=["the next channel may follow", "changed just now"],
)
def test_what_may_still_change_stays(values: dict[str, Any]) -> None:
    made(90 * DAY)
    Delivery.objects.update(**values)
    assert apply_retention() == 0
    assert held() == (1, 1, 1, 1)


def test_the_next_channel_of_one_delivery_keeps_its_whole_notification() -> None:
    made(90 * DAY, State.FAILED, State.SENT)
    Delivery.objects.filter(state=State.FAILED).update(fallback_at=Now())
    assert apply_retention() == 0
    assert held() == (1, 2, 2, 2)


def test_a_receipt_that_nobody_has_read_yet_is_read_first() -> None:
    made(90 * DAY)
    Receipt.objects.update(due_at=Now())
    assert apply_retention() == 0
    Receipt.objects.update(due_at=None)
    assert apply_retention() == 1


def test_retention_counts_from_the_time_that_was_asked_for() -> None:
    made(90 * DAY, send_at=ago(29 * DAY))
    assert apply_retention() == 0
    made(90 * DAY, send_at=ago(31 * DAY))
    assert apply_retention() == 1


def test_a_retention_of_less_than_seven_days_is_refused_and_never_applied() -> None:
    short = Category.objects.get(slug="social")
    short.retention = DAY
    with pytest.raises(ValidationError, match="greater than or equal to 7 days"):
        short.full_clean()
    Category.objects.filter(slug="social").update(retention=DAY)  # stored by an earlier release
    made(6 * DAY)
    assert apply_retention() == 0
    made(8 * DAY)
    assert apply_retention() == 1


def test_a_key_of_a_request_outlives_its_notification() -> None:
    notification = made()
    IdempotencyKey.objects.create(owner="o", key="k", fingerprint="f", notification_id=notification.pk, response={})
    assert apply_retention() == 1
    assert IdempotencyKey.objects.filter(owner="o", key="k").exists()


def digest(member: Notification, became: UUID | None) -> Digest:
    """Make the digest that gathered a notification, with its item."""
    found = Digest.objects.create(
        recipient=member.recipient,
        category="social",
        channel=Channel.PUSH,
        due_at=ago(30 * DAY),
        notification_id=became,
    )
    DigestItem.objects.create(digest=found, notification_id=member.pk, delivery_id=member.deliveries.get().pk)
    return found


def test_what_a_digest_gathered_waits_for_it_and_goes_then() -> None:
    member = made(31 * DAY, State.DIGESTED)
    gathering = digest(member, None)
    other = digest(made(2 * DAY, State.DIGESTED, recipient="u:2"), None)
    assert apply_retention() == 0
    sent = made(30 * DAY - timedelta(hours=1), digest_id=gathering.pk)
    Digest.objects.filter(pk=gathering.pk).update(notification_id=sent.pk)
    assert apply_retention() == 1
    assert DigestItem.objects.get().digest_id == other.pk
    assert Digest.objects.count() == 2
    Notification.objects.filter(pk=sent.pk).delete()
    Delivery.objects.filter(notification_id=sent.pk).delete()
    made(31 * DAY, digest_id=gathering.pk)
    assert apply_retention() == 1
    assert Digest.objects.get() == other


def launched(count: int, status: BroadcastStatus = BroadcastStatus.DONE) -> Broadcast:
    """Make an old broadcast to so many people."""
    notification = made(31 * DAY, *[State.SENT] * (count - 1), State.FAILED, recipient="")
    return Broadcast.objects.create(
        notification_id=notification.pk,
        status=status,
        audience={"users": ["1", "2"]},
        members=count,
        planned=count,
        tallied=False,  # nothing recorded its deliveries
    )


def test_a_broadcast_keeps_its_counts_and_forgets_whom_it_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST_A_TURN", 4)
    old = launched(7)
    before = progress_of([old])[old.pk]
    assert (before.counts.sent, before.counts.failed) == (6, 1)
    deleted = []
    while turn := apply_retention():
        deleted.append(turn)
        old.refresh_from_db()
        assert progress_of([old])[old.pk].counts == before.counts
    assert deleted == [4, 3]
    assert held() == (0, 0, 0, 0)
    assert old.audience == {"users": []}
    assert old.outcome["template"] == "new-follower"
    with pytest.raises(InvalidData, match="Nobody knows any more"):
        broadcast("new-post", {"broadcast": str(old.pk)}, {"title": "Bells"})


@pytest.mark.parametrize("status", [item for item in BroadcastStatus if item not in ("done", "cancelled", "stopped")])
def test_a_broadcast_that_may_go_on_stays(status: BroadcastStatus) -> None:
    launched(2, status)
    assert apply_retention() == 0
    assert held() == (1, 2, 2, 2)


def test_a_turn_is_bounded_and_each_category_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 5)
    monkeypatch.setattr(retention, "MOST_A_TURN", 20)
    Category.objects.filter(slug="news").update(retention=30 * DAY)
    for category in ("news", "social"):
        for _ in range(20):
            made(31 * DAY, category=category)
    assert apply_retention() == 20
    left = list(Delivery.objects.values_list("notification__category", flat=True))
    assert (left.count("news"), left.count("social")) == (10, 10)
    assert apply_retention() == 20
    assert apply_retention() == 0
    assert held() == (0, 0, 0, 0)


def test_statements_are_counted_by_batch_and_not_by_row() -> None:
    def of(count: int) -> int:
        for _ in range(count):
            made(31 * DAY, State.SENT, State.DELIVERED)
        sent = statements(apply_retention)
        assert Notification.objects.count() == 0
        return len(sent)

    # What there is, then: found, locked, broadcasts, events, receipts, deliveries, left over, notifications; none left.
    assert of(1) == of(40) == 11


def interrupted(table: str) -> Callable[..., Any]:
    """Return a wrapper that fails at the second deletion from a table."""
    seen: Iterator[int] = iter(range(100))

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'DELETE FROM "{table}"') and next(seen) == 1:
            raise ConnectionResetError("interrupted")
        return execute(sql, params, many, context)

    return fail


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "table", ["carillon_deliveryevent", "carillon_receipt", "carillon_delivery", "carillon_notification"]
)
def test_a_turn_that_is_interrupted_goes_by_whole_batches(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Category.objects.update_or_create(
        slug="social", defaults={"retention": 30 * DAY, "channels": ["push"]}
    )  # truncated with everything else after the test before
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(8):
        made(31 * DAY)
    kept = made(31 * DAY, State.DEAD)
    with connection.execute_wrapper(interrupted(table)), pytest.raises(ConnectionResetError):
        apply_retention()
    counts = held()
    assert counts[1] == counts[2] == counts[3]  # nobody lost an event or a receipt and kept the rest
    assert 1 < counts[1] < 9
    assert apply_retention() == counts[1] - 1
    assert Notification.objects.get() == kept
    assert held() == (1, 1, 1, 1)


def test_every_statement_carries_the_key_by_which_partitions_are_left_out() -> None:
    old, now = ago(31 * DAY), datetime.now(UTC)
    ensure_partitions(connection.alias, old - 7 * DAY)
    ensure_partitions(connection.alias, now)
    for _ in range(3):
        made(31 * DAY, State.SENT, State.DIGESTED)
    sent = [sql for sql in statements(apply_retention) if re.search("carillon_(notification|delivery)", sql)]
    assert len(sent) >= 7
    this_week = f"{now - timedelta(days=now.weekday()):%Y%m%d}"
    for sql in sent:
        touched = {node["Relation Name"] for node in explained(sql) if "Relation Name" in node}
        weeks = {name for name in touched if re.search(r"_\d{8}$", name)}
        # Events lie where they happened, which may be today; all else lies where the notification does.
        latest = f"{now + 2 * DAY:%Y%m%d}" if "carillon_deliveryevent" in sql else this_week
        newest = max((name[-8:] for name in weeks), default="")
        assert newest <= latest if "carillon_deliveryevent" in sql else newest < latest, sql
        if 'DELETE FROM "carillon_delivery"' in sql:
            assert weeks == {f"carillon_delivery_{old - timedelta(days=old.weekday()):%Y%m%d}"}


def test_it_runs_with_the_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.flows.watch._watched_at", float("-inf"))
    made()
    assert sweep.sweep("tests")
    assert held() == (0, 0, 0, 0)


def test_refused_requests_are_kept_for_thirty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_tidied_at", float("-inf"))
    for days in (conf.REFUSED_KEPT_DAYS - 1, conf.REFUSED_KEPT_DAYS + 1):
        row = RefusedRequest.objects.create(recipient="u:1", template="invoice", reason=Reason.NONE)
        RefusedRequest.objects.filter(pk=row.pk).update(created_at=ago(days * DAY))
    sweep.keep_tidy()
    assert RefusedRequest.objects.get().created_at > ago(conf.REFUSED_KEPT_DAYS * DAY)
