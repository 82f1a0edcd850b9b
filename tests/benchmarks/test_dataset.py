"""Who is due a message is computed twice, by SQL over the tables and by arithmetic: a planted fault shows in one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection

from notifications import cipher
from tests.benchmarks import dataset, expected

PEOPLE, SEED = 400, 11


@pytest.fixture
def people(db: None) -> None:
    secret = cipher._secret(cipher._keys()[-1], "digest")
    values = dataset.values_for(PEOPLE, [100, PEOPLE], SEED, secret)
    with connection.cursor() as cursor:
        for sql in dataset.statements():
            cursor.execute(sql, values if "%" in sql else None)


def due(author: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(expected.PUSH_SQL, [author])
        return [address for (address,) in cursor.fetchall()]


def execute(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.rowcount)


def test_shares_are_as_said() -> None:
    kinds = [dataset.bucket(SEED, number) for number in range(1, 20_001)]
    for which, share in (
        (dataset.OPTED_OUT, 0.10),
        (dataset.TWO_DEVICES, 0.05),
        (dataset.NO_DEVICE, 0.05),
        (dataset.SUPPRESSED, 0.03),
        (dataset.QUIET, 0.10),
    ):
        assert sum(kind in which for kind in kinds) / len(kinds) == pytest.approx(share, abs=0.01)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("author", [100, PEOPLE])
def test_sql_and_arithmetic_agree_on_who_is_due(author: int) -> None:
    found = due(author)
    assert len(found) == len(set(found)) == dataset.due_count(SEED, author)
    assert 0 < len(found) < author


@pytest.mark.usefixtures("people")
def test_an_address_hash_made_by_sql_is_the_apps_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT address, address_hash FROM carillon_device LIMIT 20")
        rows = cursor.fetchall()
    assert rows
    assert all(hashed == cipher.address_hash("push", address) for address, hashed in rows)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    "fault",
    [
        "DELETE FROM carillon_suppression",
        "UPDATE carillon_preference SET quiet_hours = '[]'",
        "UPDATE carillon_preference SET channels = '{}'",
        "UPDATE carillon_preference SET categories = '{}'",
        "DELETE FROM carillon_device",
        "UPDATE carillon_device SET is_active = false",
        "UPDATE auth_user SET is_active = false",
    ],
)
def test_each_condition_counts(fault: str) -> None:
    assert execute(fault)
    assert len(due(PEOPLE)) != dataset.due_count(SEED, PEOPLE)


@pytest.mark.parametrize("hour", range(24))
def test_quiet_hours_cover_now_whatever_the_hour(hour: int) -> None:
    now = datetime(2026, 11, 23, hour, 30, tzinfo=UTC)
    window = dataset.quiet_window(now)
    start, end = window.split('"start": "')[1][:5], window.split('"end": "')[1][:5]
    clock = f"{hour:02}:30"
    assert start <= clock < end if start < end else clock >= start or clock < end
