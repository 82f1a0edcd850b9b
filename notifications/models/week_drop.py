"""The SQL that judges whether a whole week of the log is over, takes it off and drops it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connections

from ..enums import OPEN_STATES, BroadcastStatus, State
from .weeks import GONE, Week, is_attached, locking

_EVENTS = "carillon_deliveryevent"
#: Rows that one look reads: a tenth of a second or so.
LOOK_BATCH = 50_000
_ROWS = ("carillon_delivery", "carillon_notification")
_OPEN = ", ".join(f"'{state.value}'" for state in sorted(OPEN_STATES))
# One that stopped itself may be resumed.
_OVER = ", ".join(f"'{status.value}'" for status in (BroadcastStatus.DONE, BroadcastStatus.CANCELLED))
# From one category to the next by the index, however many notifications each has.
_CATEGORIES = """
    WITH RECURSIVE found AS (
        (SELECT category FROM carillon_notification WHERE id >= %(low)s AND id < %(high)s ORDER BY category LIMIT 1)
        UNION ALL
        SELECT (SELECT n.category FROM carillon_notification n
                WHERE n.category > found.category AND n.id >= %(low)s AND n.id < %(high)s
                ORDER BY n.category LIMIT 1)
        FROM found WHERE found.category IS NOT NULL
    ) SELECT category FROM found WHERE category IS NOT NULL
"""
# Each of them has an index that holds only such rows, so that this is asked under the lock as well.
_HELD_BACK = f"""
    SELECT EXISTS (SELECT FROM carillon_delivery WHERE id >= %(low)s AND id < %(high)s AND state IN ({_OPEN}))
        OR EXISTS (SELECT FROM carillon_delivery WHERE id >= %(low)s AND id < %(high)s AND state = '{State.DEAD.value}')
        OR EXISTS (SELECT FROM carillon_delivery WHERE id >= %(low)s AND id < %(high)s AND fallback_at IS NOT NULL)
        OR EXISTS (SELECT FROM carillon_broadcast WHERE notification_id >= %(low)s AND notification_id < %(high)s
                   AND (status NOT IN ({_OVER}) OR outcome IS NULL AND %(frozen)s))
        OR EXISTS (SELECT FROM carillon_receipt
                   WHERE due_at IS NOT NULL AND delivery_id >= %(low)s AND delivery_id < %(high)s)
        OR EXISTS (SELECT FROM carillon_digestitem i JOIN carillon_digest d ON d.id = i.digest_id
                   WHERE d.notification_id IS NULL AND i.notification_id >= %(low)s AND i.notification_id < %(high)s)
"""  # noqa: S608 - words of ours
# What no index tells is read once, some rows at a time: when a delivery was last changed, what was asked for later.
_READ = {
    "carillon_delivery": "bool_or(updated_at >= %(moment)s)",
    "carillon_notification": "bool_or(send_at >= %(moment)s)",
}
_BELONGINGS = (
    """DELETE FROM carillon_receipt WHERE id IN (
           SELECT r.id FROM carillon_receipt r WHERE r.delivery_id >= %(low)s AND r.delivery_id < %(high)s
             AND NOT EXISTS (SELECT FROM carillon_delivery d WHERE d.id = r.delivery_id) LIMIT %(limit)s)""",
    # The oldest week goes first, and so do the oldest items: they are at the beginning of the key.
    """DELETE FROM carillon_digestitem WHERE id IN (SELECT id FROM carillon_digestitem
           WHERE notification_id >= %(low)s AND notification_id < %(high)s ORDER BY id LIMIT %(limit)s)""",
    """DELETE FROM carillon_digestitem WHERE digest_id IN (SELECT id FROM carillon_digest
           WHERE id < %(high)s AND notification_id >= %(low)s AND notification_id < %(high)s
           ORDER BY id LIMIT %(limit)s)""",
    """DELETE FROM carillon_digest WHERE id IN (SELECT d.id FROM carillon_digest d
           WHERE d.id < %(high)s AND d.notification_id >= %(low)s AND d.notification_id < %(high)s
             AND NOT EXISTS (SELECT FROM carillon_digestitem i WHERE i.digest_id = d.id)
           ORDER BY d.id LIMIT %(limit)s)""",
)
_BARE_EVENTS = """
    DELETE FROM carillon_deliveryevent WHERE id >= %(low)s AND id < %(high)s AND id IN (
        SELECT e.id FROM carillon_deliveryevent e WHERE e.id >= %(low)s AND e.id < %(high)s
          AND NOT EXISTS (SELECT FROM carillon_delivery d WHERE d.id = e.delivery_id AND d.id < %(high)s)
        LIMIT %(limit)s)
"""


class Looked(NamedTuple):
    """Some rows that were read: whether one of them keeps the week, how many there were, and the last."""

    keeps: bool
    read: int
    last: UUID | None


def categories_in(using: str, week: Week) -> list[str]:
    """Return the categories of a week's notifications."""
    with connections[using].cursor() as cursor:
        cursor.execute(_CATEGORIES, _bounds(week))
        return [row[0] for row in cursor.fetchall()]


def is_held_back(using: str, week: Week, *, frozen: bool) -> bool:
    """Whether something of a week is open, dead, may still fall back, is gathered, or waits to be understood.

    With `frozen`, a broadcast whose outcome is not kept yet holds it back as well.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_HELD_BACK, {**_bounds(week), "frozen": frozen})
        return bool(cursor.fetchone()[0])


def look(using: str, table: str, week: Week, after: UUID, moment: datetime) -> Looked:
    """Read the next rows of a week behind `after`: is one of them held to be in use, since it names a later moment?"""
    with connections[using].cursor() as cursor:
        cursor.execute(
            f'WITH part AS (SELECT * FROM "{table}" WHERE id > %(after)s AND id >= %(low)s AND id < %(high)s '  # noqa: S608
            f"ORDER BY id LIMIT {LOOK_BATCH}) SELECT coalesce({_READ[table]}, false), count(*), "
            "(SELECT id FROM part ORDER BY id DESC LIMIT 1) FROM part",
            {**_bounds(week), "after": after, "moment": moment},
        )
        return Looked(*cursor.fetchone())


def take_off(using: str, week: Week) -> bool:
    """Detach a week's deliveries and notifications, and its events if they are of none other; return whether it is.

    Asked again under the lock whether something holds it back. What was taken off is dropped later: see `gone_weeks`.

    Raises:
        Busy: somebody uses the log for long; ask again.
    """
    with locking(using) as cursor:
        # In the order in which they are dropped; readers of all of them find the week whole or not at all.
        cursor.execute(f"LOCK TABLE ONLY {', ONLY '.join((_EVENTS, *_ROWS))} IN ACCESS EXCLUSIVE MODE")
        if is_held_back(using, week, frozen=True):
            return False
        for table in _ROWS:
            _detach(using, table, week)
        cursor.execute("SELECT EXISTS (SELECT FROM carillon_delivery WHERE id < %(high)s)", _bounds(week))
        if not cursor.fetchone()[0]:
            _detach(using, _EVENTS, week)
    return True


def take_off_events(using: str, week: Week, limit: int) -> int:
    """Detach a week of events of which no delivery is left; of one of which some are, delete others; return how many.

    Raises:
        Busy: somebody uses the log for long; ask again.
    """
    bounds = _bounds(week)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM carillon_delivery WHERE id < %(high)s)", bounds)
        if cursor.fetchone()[0]:
            cursor.execute(_BARE_EVENTS, {**bounds, "limit": limit})
            return int(cursor.rowcount)
    with locking(using) as cursor:
        cursor.execute(f"LOCK TABLE ONLY {_EVENTS} IN ACCESS EXCLUSIVE MODE")
        _detach(using, _EVENTS, week)
    return 0


def delete_belongings(using: str, week: Week, limit: int) -> int:
    """Delete up to `limit` rows of each kind that belong to a week that was taken off; return how many went."""
    gone = 0
    with connections[using].cursor() as cursor:
        for sql in _BELONGINGS:
            cursor.execute(sql, {**_bounds(week), "limit": limit})
            gone += int(cursor.rowcount)
    return gone


def drop_gone(using: str, week: Week) -> None:
    """Drop the tables of a week that was taken off: events, deliveries, notifications."""
    with connections[using].cursor() as cursor:
        for table in (_EVENTS, *_ROWS):
            cursor.execute(f'DROP TABLE IF EXISTS "{week.of(table)}{GONE}"')


def _detach(using: str, table: str, week: Week) -> None:
    name = week.of(table)
    if is_attached(using, name):
        with connections[using].cursor() as cursor:
            cursor.execute(f'ALTER TABLE "{table}" DETACH PARTITION "{name}"')
            cursor.execute(f'ALTER TABLE "{name}" RENAME TO "{name}{GONE}"')


def _bounds(week: Week) -> dict[str, UUID]:
    return {"low": week.low, "high": week.high}
