"""The statement that inserts deliveries: row by row what was planned, whatever the rows of a page have in common."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from notifications.enums import Channel, Lane, Reason, State
from notifications.models import Delivery, NewDelivery
from notifications.rules.identity import delivery_ids, new_id

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
TEXTS = ("", "a", "it's", "%s %%", "{x},{y}", 'a"b', "a\\b", '\\"', " ü 🎉 ", "NULL", "null", "a,b", "x" * 50, "a\nb")
DATA: tuple[dict[str, object] | None, ...] = (
    None, {}, {"a": None}, {"a": [1, True, 1.5, "x"]}, {"name": 'A "B" \\ %s {}'}, {"null": "null"},
)  # fmt: skip


def planned(dice: random.Random, notification: UUID, number: int, agree: bool) -> NewDelivery:
    """Return a row whose values are drawn each by itself, or agree with the others'."""
    pick = random.Random(7) if agree else dice
    return NewDelivery(
        id=delivery_ids(notification)(f"u:{number}", "push", ""),
        notification_id=notification,
        recipient=f"u:{number}{pick.choice(TEXTS)}",
        channel=pick.choice([Channel.PUSH, Channel.EMAIL]),
        step=pick.randrange(3),
        lane=pick.choice([Lane.HIGH, Lane.BULK]),
        device_id=pick.choice([None, str(UUID(int=number))]),
        address=pick.choice(TEXTS),
        locale=pick.choice(["", "de", "pt-BR"]),
        time_zone=pick.choice(["UTC", "Europe/Berlin"]),
        data=pick.choice(DATA),
        state=pick.choice([State.PENDING, State.SKIPPED]),
        reason=pick.choice([Reason.NEW, Reason.PREFERENCE]),
        due_at=NOW + timedelta(microseconds=pick.randrange(3)),
        expires_at=pick.choice([None, NOW, NOW + timedelta(days=1)]),
        updated_at=NOW,
        client=pick.choice([None, 0, 2**31 - 1]),
    )


def as_stored(row: NewDelivery) -> dict[str, Any]:
    """Return a planned row as it must be read back."""
    return {
        **row._asdict(),
        "id": UUID(row.id),
        "device_id": UUID(row.device_id) if row.device_id else None,
        "state": str(row.state),
        "reason": str(row.reason),
        "channel": str(row.channel),
        "lane": int(row.lane),
    }


@pytest.mark.parametrize("agree", [True, False], ids=["they agree", "they differ"])
@pytest.mark.parametrize("notifications", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 60])
def test_each_row_is_what_was_planned(count: int, notifications: int, agree: bool) -> None:
    for seed in range(8):
        dice = random.Random(seed)
        keys = [new_id() for _ in range(notifications)]
        rows = [planned(dice, dice.choice(keys), number, agree) for number in range(count)]
        inserted = Delivery.objects.insert_planned(rows, tell=True)
        assert inserted == {UUID(row.id) for row in rows}
        for row in Delivery.objects.filter(pk__in=inserted).values(*NewDelivery.__annotations__):
            (wanted,) = [item for item in rows if UUID(item.id) == row["id"]]
            assert row == as_stored(wanted)


def test_what_is_there_already_is_left_alone() -> None:
    notification, dice = new_id(), random.Random(1)
    first = planned(dice, notification, 1, agree=False)
    again = first._replace(address="another")
    other = planned(dice, notification, 2, agree=False)
    assert Delivery.objects.insert_planned([first], tell=True) == {UUID(first.id)}
    assert Delivery.objects.insert_planned([again, other], tell=True) == {UUID(other.id)}
    assert Delivery.objects.get(pk=first.id).address == first.address


def test_a_letter_that_the_database_cannot_hold_is_an_error_and_no_other_letter() -> None:
    rows = [planned(random.Random(3), new_id(), number, agree=False) for number in range(2)]
    with pytest.raises(Exception, match=r"NUL|0x00"):
        Delivery.objects.insert_planned([rows[0], rows[1]._replace(address="a\x00b")], tell=True)
