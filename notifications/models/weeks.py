"""Weeks of the log as tables: made ahead, filled from the DEFAULT partition, taken off and dropped.

Every statement here that needs a lock which others wait behind waits for it itself for a moment only
(`LOCK_MILLISECONDS`), and is asked again a minute later: behind whoever waits for such a lock, everybody else queues.

PostgreSQL 15 to 18 detach no partition CONCURRENTLY where there is a DEFAULT partition, nor within a transaction
(https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION). So the lock is taken
openly, on the parents first, for the milliseconds that the catalogue takes; rows are read before and deleted after it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper

from ..rules.identity import first_id_at, time_of
from .storage import set_storage

PARTITIONED = ("carillon_notification", "carillon_delivery", "carillon_deliveryevent")
#: A table that is taken off is named so until it is dropped, and its week may be made again meanwhile.
GONE = "_gone"
LOCK_MILLISECONDS = 500
COPY_BATCH = 10_000
_LOCK = 0x0CA1
_LOCK_NOT_AVAILABLE = "55P03"
# What lies beyond cannot be read as a time in Python, and no clock of ours makes it.
_LATEST = datetime(9990, 1, 1, tzinfo=UTC)
_NAMES = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(%s) AND c.relname ~ '_[0-9]{8}$' ORDER BY 1
"""
_OFF = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s AND pg_table_is_visible(oid) ORDER BY 1"
_IS_ATTACHED = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s))"


class Busy(Exception):
    """Somebody holds a lock that we do not wait for; ask again later."""


class Week(NamedTuple):
    """A week from Monday, 0:00 UTC, and the ids that begin in it."""

    start: datetime

    @property
    def low(self) -> UUID:
        """The smallest id that can begin in it."""
        return first_id_at(self.start)

    @property
    def high(self) -> UUID:
        """The smallest id of the week after it."""
        return first_id_at(self.end)

    @property
    def end(self) -> datetime:
        """The Monday after it."""
        return self.start + timedelta(weeks=1)

    def of(self, table: str) -> str:
        """Return the name of the partition that holds it."""
        return f"{table}_{self.start:%Y%m%d}"


def week_of(moment: datetime) -> Week:
    """Return the week that a moment lies in."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Week(day - timedelta(days=day.weekday()))


def weeks_around(ids: Collection[UUID]) -> tuple[UUID, UUID]:
    """Return bounds as `bounds_of` does, of the whole weeks: they choose partitions and serve no index.

    For deliveries that are found by something else than their key. Between the narrow bounds lies a whole broadcast,
    and PostgreSQL takes it for nothing as long as its statistics are older: it would read a million for each.
    """
    return week_of(time_of(min(ids))).low, week_of(time_of(max(ids))).high


def weeks_of(using: str, table: str) -> list[Week]:
    """Return the weeks for which a table has partitions, the oldest first."""
    with connections[using].cursor() as cursor:
        cursor.execute(_NAMES, [table])
        return [_week_named(name) for (name,) in cursor.fetchall()]


def gone_weeks(using: str) -> list[Week]:
    """Return the weeks of which tables are taken off and not dropped yet, the oldest first."""
    pattern = f"^({'|'.join(PARTITIONED)})_[0-9]{{8}}{GONE}$"
    with connections[using].cursor() as cursor:
        cursor.execute(_OFF, [pattern])
        return sorted({_week_named(name.removesuffix(GONE)) for (name,) in cursor.fetchall()})


def is_attached(using: str, name: str) -> bool:
    """Whether there is a table of this name and it is a partition."""
    with connections[using].cursor() as cursor:
        cursor.execute(_IS_ATTACHED, [name])
        return bool(cursor.fetchone()[0])


@contextmanager
def locking(using: str) -> Iterator[CursorWrapper]:
    """Open a transaction in which a lock is waited for no longer than others may wait behind us.

    Raises:
        Busy: it was not to be had.
    """
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            yield cursor
    except OperationalError as error:
        if _LOCK_NOT_AVAILABLE in (getattr(error.__cause__, name, None) for name in ("pgcode", "sqlstate")):
            raise Busy from error
        raise


def make_week(using: str, table: str, week: Week) -> bool:
    """Make a week's partition and move into it what the DEFAULT partition caught of it; return whether it was missing.

    Rows are copied ahead, batch by batch, while they are read and written in the DEFAULT partition as before. What
    changed since is copied again under the lock at the end, so that this is as short as can be.

    Raises:
        Busy: somebody works with the DEFAULT partition for long; what was copied is taken up again.
    """
    name = week.of(table)
    if is_attached(using, name):
        return False
    with locking(using) as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NULL", [name])
        if cursor.fetchone()[0]:
            cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)')
            # Known to hold, so that nothing is read when it is attached.
            cursor.execute(f'ALTER TABLE "{name}" ADD CONSTRAINT week CHECK (id >= %s AND id < %s)', [*_bounds(week)])
            cursor.execute(set_storage(table, name))
    copied = _copy_ahead(using, table, week)
    return _attach(using, table, week, copied=copied > 0)


def stray_weeks(using: str, table: str, limit: int) -> list[Week]:
    """Return the oldest weeks of which the DEFAULT partition holds rows; one index look-up for each."""
    found: list[Week] = []
    after, beyond = UUID(int=0), first_id_at(_LATEST)
    with connections[using].cursor() as cursor:
        while len(found) < limit:
            cursor.execute(
                f'SELECT id FROM "{table}_default" WHERE id >= %s AND id < %s ORDER BY id LIMIT 1',  # noqa: S608
                [after, beyond],
            )
            row = cursor.fetchone()
            if row is None:
                break
            found.append(week_of(time_of(row[0])))
            after = found[-1].high
    return found


def has_strays(using: str, table: str) -> bool:
    """Whether the DEFAULT partition holds anything at all."""
    with connections[using].cursor() as cursor:
        cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}_default")')  # noqa: S608
        return bool(cursor.fetchone()[0])


def _copy_ahead(using: str, table: str, week: Week) -> int:
    """Copy a week's rows out of the DEFAULT partition, a batch to a transaction; return how many there are."""
    copied: int = 0
    count: int
    after = UUID(int=max(0, week.low.int - 1))
    while True:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(
                f'WITH part AS (SELECT * FROM "{table}_default" WHERE id > %s AND id >= %s AND id < %s '  # noqa: S608
                f'ORDER BY id LIMIT {COPY_BATCH}), put AS (INSERT INTO "{week.of(table)}" SELECT * FROM part '
                "ON CONFLICT (id) DO NOTHING) "
                "SELECT count(*), (SELECT id FROM part ORDER BY id DESC LIMIT 1) FROM part",
                [after, *_bounds(week)],
            )
            count, last = cursor.fetchone()
        copied += count
        if count < COPY_BATCH:
            return copied
        after = last


def _attach(using: str, table: str, week: Week, *, copied: bool) -> bool:
    name, rest, bounds = week.of(table), f"{table}_default", _bounds(week)
    with locking(using) as cursor:
        if is_attached(using, name):
            return False
        if copied:
            # The parent too: a statement that has already looked up the partitions would miss the rows that move.
            cursor.execute(f'LOCK TABLE ONLY "{table}", "{rest}" IN ACCESS EXCLUSIVE MODE')
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(
                f'DELETE FROM "{name}" w WHERE NOT EXISTS '  # noqa: S608
                f'(SELECT FROM "{rest}" d WHERE d.id = w.id AND d IS NOT DISTINCT FROM w)'
            )
            cursor.execute(
                f'INSERT INTO "{name}" SELECT * FROM "{rest}" d WHERE id >= %s AND id < %s '  # noqa: S608
                f'AND NOT EXISTS (SELECT FROM "{name}" w WHERE w.id = d.id)',
                bounds,
            )
            _empty(cursor, rest, bounds)
        else:
            # An earlier try may have copied rows that nobody has any more: erased, or sent since.
            cursor.execute(f'TRUNCATE "{name}"')
        cursor.execute(f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)', bounds)
        cursor.execute(f'ALTER TABLE "{name}" DROP CONSTRAINT week')
    return True


def _empty(cursor: CursorWrapper, rest: str, bounds: list[UUID]) -> None:
    """Delete a week's rows from a DEFAULT partition, at once where there are no others."""
    cursor.execute(f'SELECT EXISTS (SELECT FROM "{rest}" WHERE id < %s OR id >= %s)', bounds)  # noqa: S608
    if cursor.fetchone()[0]:
        cursor.execute(f'DELETE FROM "{rest}" WHERE id >= %s AND id < %s', bounds)  # noqa: S608
    else:
        cursor.execute(f'TRUNCATE "{rest}"')


def _bounds(week: Week) -> list[UUID]:
    return [week.low, week.high]


def _week_named(name: str) -> Week:
    found = re.search(r"_(\d{8})$", name)
    return Week(datetime.strptime(found[1] if found else "", "%Y%m%d").replace(tzinfo=UTC))
