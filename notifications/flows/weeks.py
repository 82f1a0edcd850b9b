"""Weeks: the log's partitions are made ahead, filled with what DEFAULT caught, and dropped when all in them is over.

Dropping a week costs nothing like deleting its rows: no dead rows, no vacuum, and the space is free at once. So that it
never makes anybody wait, rows are read before, in steps, and the lock is held for milliseconds; see `models/weeks.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from ..declarations.limits import LEAST_RETENTION
from ..models import Broadcast, Delivery
from ..models.partitions import ensure_partitions
from ..models.week_drop import (
    LOOK_BATCH,
    categories_in,
    delete_belongings,
    drop_gone,
    is_held_back,
    look,
    take_off,
    take_off_events,
)
from ..models.weeks import PARTITIONED, Busy, Week, gone_weeks, has_strays, make_week, stray_weeks, weeks_of
from .alerts import raise_alert
from .retention import SETTLED_AFTER, default_age, freeze, kept_for
from .time_box import in_time, turns

logger = logging.getLogger("notifications.sweep")
_MOST_WEEKS = 8
_BATCH = 10_000
#: How long the DEFAULT partition may hold rows before somebody is told.
STRAYS_SECONDS = 600.0
#: When a week that something keeps is looked at again.
AGAIN_SECONDS = 3600.0


class _Place(NamedTuple):
    """Where reading a week has come to: the table (0, 1; 2: all is read) and the last id that was read in it."""

    table: int = 0
    after: UUID = UUID(int=0)


_READ = ("carillon_delivery", "carillon_notification")
# The process's own memory; whoever leads next begins anew.
_places: dict[Week, _Place] = {}
_kept_until: dict[Week, float] = {}
_strays_since: dict[str, float] = {}


def keep_partitions() -> None:
    """Make partitions ahead of time, move what the DEFAULT partition caught, and tell where rows stay in it."""
    using = connection.alias
    ensure_partitions(using, Delivery.objects.database_now())
    for table in PARTITIONED:
        for week in in_time(stray_weeks(using, table, _MOST_WEEKS)):
            _unless_busy(f"rows of {week.start:%Y-%m-%d} in {table}_default", lambda: make_week(using, table, week))  # noqa: B023 - called at once
        _watch_strays(table)


def _watch_strays(table: str) -> None:
    if not has_strays(connection.alias, table):
        _strays_since.pop(table, None)
    elif time.monotonic() - _strays_since.setdefault(table, time.monotonic()) >= STRAYS_SECONDS:
        told = f"{table}_default holds rows that no week takes up: is a transaction open for long, or a clock wrong?"
        raise_alert("default_partition", table, told)


def drop_weeks() -> None:
    """Drop whole weeks that every category's retention has passed and in which nothing waits for anything."""
    using, now = connection.alias, Delivery.objects.database_now()
    _finish(using)
    ages = kept_for()
    old = [week for week in weeks_of(using, "carillon_delivery") if week.end <= now - LEAST_RETENTION]
    for week in in_time(old):
        if time.monotonic() < _kept_until.get(week, 0.0):
            continue
        age = _age_of(categories_in(using, week), ages)
        if age is not None and week.end <= now - age:
            _drop(using, week, now, now - age)
    there = set(weeks_of(using, "carillon_delivery"))
    bare = (week for week in weeks_of(using, "carillon_deliveryevent") if week.end <= now - LEAST_RETENTION)
    for week in in_time([week for week in bare if week not in there]):
        _unless_busy(f"events of {week.start:%Y-%m-%d}", lambda: take_off_events(using, week, _BATCH))  # noqa: B023 - called at once
    _finish(using)


def _age_of(categories: list[str], ages: Mapping[str, timedelta | None]) -> timedelta | None:
    """Return how long messages of all these categories are kept, or None if those of one are for ever."""
    longest = LEAST_RETENTION
    for slug in categories:
        age = ages.get(slug, default_age())
        if age is None:
            return None
        longest = max(longest, age)
    return longest


def _drop(using: str, week: Week, now: datetime, since: datetime) -> None:
    """Take a week off if nothing in it keeps it; what is too much to read at once goes on at the next turn."""
    if is_held_back(using, week, frozen=False):
        _keep(week)
        return
    for verdict in _looks(using, week, {_READ[0]: now - SETTLED_AFTER, _READ[1]: since}):
        if verdict:
            _keep(week)
            return
    if _places.get(week, _Place()).table < len(_READ):
        return
    unfrozen = Broadcast.objects.filter(
        notification_id__gte=week.low, notification_id__lt=week.high, outcome__isnull=True
    ).order_by("notification_id")
    for key in in_time(list(unfrozen.values_list("notification_id", flat=True)[:_BATCH])):
        with transaction.atomic():
            freeze([key])
    if unfrozen.exists():
        return
    taken = _unless_busy(f"the week of {week.start:%Y-%m-%d}", lambda: take_off(using, week))
    if taken:
        logger.info("the week of %s is over and was taken off the log", f"{week.start:%Y-%m-%d}")
        _places.pop(week, None)
    elif taken is False:
        _keep(week)


def _looks(using: str, week: Week, moments: Mapping[str, datetime]) -> Iterator[bool]:
    """Read on in a week, and yield whether each step found something that keeps it; for as long as a turn may take."""
    for _ in turns():
        place = _places.get(week, _Place())
        if place.table == len(_READ):
            return
        table = _READ[place.table]
        found = look(using, table, week, place.after, moments[table])
        yield found.keeps
        is_through = found.read < LOOK_BATCH or found.last is None
        _places[week] = _Place(place.table + 1) if is_through else _Place(place.table, found.last or place.after)


def _keep(week: Week) -> None:
    _places.pop(week, None)
    _kept_until[week] = time.monotonic() + AGAIN_SECONDS


def _finish(using: str) -> None:
    """Delete what belonged to weeks that were taken off, batch by batch, and drop their tables after that."""
    for week in gone_weeks(using):
        for _ in turns():
            with transaction.atomic():
                deleted = delete_belongings(using, week, _BATCH)
            if deleted == 0:
                drop_gone(using, week)
                break


def _unless_busy(what: str, work: Callable[[], object]) -> object:
    """Do what needs a lock, and return what came of it; None if somebody else uses the tables: then in a minute."""
    try:
        return work()
    except Busy:
        logger.info("%s: the log is in use for long; tried again in a minute", what)
        return None
