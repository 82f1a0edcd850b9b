"""The statement that writes standings: row by row what was asked for, whatever the rows of a group have in common."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from notifications.enums import Channel, Reason, State
from notifications.models import Delivery
from notifications.models.delivery_queries import stand_at, standing_of
from notifications.models.partitions import ensure_partitions
from notifications.models.standing_sql import _sql, statement
from notifications.rules.identity import first_id_at
from notifications.rules.standing import STANDING_FIELDS, Change, Standing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WEEKS = (timedelta(0), timedelta(weeks=1), timedelta(weeks=-1), timedelta(days=-900))
TEXTS = ("", "a", "it's", "%s %%", "{x}", 'a"b\\', "ü 🎉", "NULL", "x" * 50)
Pick = Callable[[random.Random], Any]


def moment(dice: random.Random) -> datetime:
    return NOW + timedelta(microseconds=dice.randrange(4) * 1_000_001)


def or_none(pick: Pick) -> Pick:
    return lambda dice: None if dice.random() < 0.4 else pick(dice)


def number(most: int) -> Pick:
    return lambda dice: dice.choice((0, 1, 2, most))


def flag(dice: random.Random) -> bool:
    return dice.random() < 0.5


PICKS: dict[str, Pick] = {
    "state": lambda dice: dice.choice((State.PENDING, State.SENDING, State.SENT)),
    "reason": lambda dice: dice.choice((Reason.NONE, Reason.RETRY, Reason.TTL)),
    "due_at": moment,
    **dict.fromkeys(("fallback_at", "keyed_at", "sent_at", "delivered_at"), or_none(moment)),
    **dict.fromkeys(("attempt", "retries", "generation", "lost_leases"), number(32_767)),
    "claim_id": or_none(number(2**40)),
    "position": or_none(number(2**31 - 1)),
    **dict.fromkeys(("possible_duplicate", "maybe_sent"), flag),
    **dict.fromkeys(("provider", "provider_message_id", "error_code", "error_detail"), lambda dice: dice.choice(TEXTS)),
}


def standing(dice: random.Random) -> Standing:
    return Standing(**{name: pick(dice) for name, pick in PICKS.items()})


def rows(standings: Sequence[Standing], dice: random.Random) -> list[UUID]:
    """Insert deliveries that stand so, in several partitions; return their ids."""
    made = []
    for item in standings:
        start = first_id_at(NOW + dice.choice(WEEKS)).int
        row = Delivery(
            pk=UUID(int=start + dice.getrandbits(70)), notification_id=uuid4(), recipient="a:x", channel=Channel.PUSH,
            lane=1, updated_at=LONG_AGO,
        )  # fmt: skip
        stand_at(row, item)
        made.append(row)
    Delivery.objects.bulk_create(made)
    return [row.pk for row in made]


def stored() -> dict[UUID, Standing]:
    return {row.pk: standing_of(row) for row in Delivery.objects.all()}


def moved(before: Sequence[Standing], dice: random.Random) -> list[Standing]:
    """Return where they go: each column stays for all, is the same for all, differs, or changes for some."""
    after = list(before)
    for name, pick in PICKS.items():
        how = dice.choice(("stays", "stays", "same", "each", "some", "some the same"))
        value = pick(dice)
        for index, item in enumerate(after):
            if how == "stays" or (how.startswith("some") and dice.random() < 0.5):
                continue
            after[index] = item._replace(**{name: value if how.endswith("same") else pick(dice)})
    return after


def meanwhile(item: Standing, dice: random.Random) -> Standing:
    """Return how the table has it by now: as it was read, or with other columns than the fence's, or those, changed."""
    chance = dice.random()
    if chance < 0.5:
        return item
    names = ("state", "claim_id") if chance < 0.65 else [name for name in PICKS if name not in ("state", "claim_id")]
    return item._replace(**{name: PICKS[name](dice) for name in dice.sample(names, k=min(len(names), 2))})


def written(now: Standing, change: Change) -> Standing:
    """Return what a change makes of a row, the plain way."""
    values = {
        name: getattr(change.after, name)
        for name in STANDING_FIELDS
        if getattr(change.after, name) != getattr(change.before, name)
    }
    return now._replace(**values)


def test_every_column_is_tried() -> None:
    assert set(PICKS) == set(STANDING_FIELDS)


@pytest.mark.parametrize("seed", range(8))
def test_it_writes_what_one_statement_for_each_row_would_write(seed: int) -> None:
    ensure_partitions(connection.alias, NOW)
    dice = random.Random(seed)
    for _ in range(25):
        Delivery.objects.all().delete()
        read = [standing(dice) for _ in range(dice.choice((1, 2, 3, 16)))]
        if dice.random() < 0.5:
            read = [item._replace(state=read[0].state, claim_id=read[0].claim_id) for item in read]
        now = [meanwhile(item, dice) for item in read]
        ids = rows([*now, *(standing(dice) for _ in range(3))], dice)  # the last three are not asked for
        table = stored()
        changes = [Change(*item) for item in zip(ids, read, moved(read, dice), strict=False)]
        fits = {
            change.delivery_id: change
            for change in changes
            if (table[change.delivery_id].state, table[change.delivery_id].claim_id)
            == (change.before.state, change.before.claim_id)
        }
        expected = {key: written(item, fits[key]) if key in fits else item for key, item in table.items()}
        assert Delivery.objects.apply(changes) == set(fits)
        assert stored() == expected
        assert set(Delivery.objects.exclude(updated_at=LONG_AGO).values_list("pk", flat=True)) == set(fits)


def test_what_somebody_else_wrote_stays_where_this_change_does_not_touch_it() -> None:
    """A mark set meanwhile on one row of a group is not undone because another row of the group gets or loses one."""
    dice = random.Random(1)
    read = [Standing(State.SENDING, Reason.NONE, NOW, claim_id=7, position=place) for place in range(3)]
    ids = rows(read, dice)
    Delivery.objects.filter(pk=ids[0]).update(possible_duplicate=True, error_detail="theirs", fallback_at=NOW)
    sent = [item._replace(state=State.SENT, sent_at=NOW) for item in read]
    later = NOW + timedelta(hours=1)
    sent[1] = sent[1]._replace(possible_duplicate=True, error_detail="ours", fallback_at=later)
    assert Delivery.objects.apply([Change(*item) for item in zip(ids, read, sent, strict=True)]) == set(ids)
    table = stored()
    assert table[ids[0]] == sent[0]._replace(possible_duplicate=True, error_detail="theirs", fallback_at=NOW)
    assert [table[key] for key in ids[1:]] == sent[1:]


def test_a_change_of_nothing_is_still_fenced() -> None:
    here = Standing(State.PENDING, Reason.NEW, NOW)
    there = here._replace(state=State.SENDING, claim_id=3)
    ids = rows([here, there], random.Random(2))
    assert Delivery.objects.apply([Change(key, here, here) for key in ids]) == {ids[0]}


def test_only_what_changes_is_sent_and_one_value_where_all_agree() -> None:
    read = [Standing(State.PENDING, Reason.NEW, NOW) for _ in range(64)]
    taken = [
        item._replace(state=State.SENDING, reason=Reason.NONE, claim_id=5, position=place, provider="fcm")
        for place, item in enumerate(read)
    ]
    sql, values = statement([Change(uuid4(), *item) for item in zip(read, taken, strict=True)])
    assert [name for name, value in values.items() if isinstance(value, list)] == ["position"]
    for name in ("error_detail", "attempt", "due_at", "touched"):
        assert f"{name} = " not in sql
    assert "touched" not in sql


def test_a_group_reads_the_partitions_of_its_ids_only() -> None:
    ensure_partitions(connection.alias, NOW)
    read = Standing(State.PENDING, Reason.NEW, NOW)
    keys = [UUID(int=first_id_at(NOW).int + place) for place in (1, 2)]
    sql, values = statement([Change(key, read, read._replace(attempt=1)) for key in keys])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    scanned = {name.removesuffix("_pkey") for name in re.findall(r" on (carillon_delivery\w+)", plan)}
    assert len(scanned) == 1, plan


def test_the_texts_of_statements_that_are_kept_are_bounded() -> None:
    dice = random.Random(3)
    for _ in range(400):
        read = [standing(dice) for _ in range(4)]
        statement([Change(uuid4(), *item) for item in zip(read, moved(read, dice), strict=True)])
    most = _sql.cache_info().maxsize
    assert most is not None
    assert _sql.cache_info().currsize <= most <= 1_000


# the standing that is kept with a loaded row


def test_a_row_that_is_read_again_stands_where_the_table_says() -> None:
    read = Standing(State.PENDING, Reason.NEW, NOW)
    (key,) = rows([read], random.Random(4))
    row = Delivery.objects.get(pk=key)
    assert standing_of(row) == read
    assert standing_of(row) is standing_of(row)
    Delivery.objects.filter(pk=key).update(state=State.SENT, sent_at=NOW)
    row.refresh_from_db()
    assert standing_of(row) == read._replace(state=State.SENT, sent_at=NOW)
    Delivery.objects.filter(pk=key).update(error_code="x")
    row.refresh_from_db(fields=["error_code"])
    assert standing_of(row).error_code == "x"


def test_columns_that_were_not_loaded_are_part_of_the_standing() -> None:
    read = Standing(State.SENT, Reason.NONE, NOW, sent_at=NOW, provider="fcm")
    rows([read], random.Random(5))
    row = Delivery.objects.only("id", "state").get()
    assert standing_of(row) == read
    assert standing_of(row) is standing_of(row)
