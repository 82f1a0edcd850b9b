"""How many devices and suppressions there are of which kind, reckoned from some of their table's pages.

A table that is small is read whole; of a large one as many pages as hold, so that the question costs the same however
many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, router

from .recipient import Device, Suppression

#: 16 MB of 8 KiB pages: some hundred thousand rows.
MOST_PAGES = 2_000
_PAGES = "SELECT pg_relation_size(%s::regclass) / 8192"
_DEVICES = """
    SELECT channel, platform, is_active, deactivated_reason, count(*),
           count(*) FILTER (WHERE is_active AND channel = 'push' AND last_seen_at < %(before)s)
    FROM carillon_device {sample} GROUP BY 1, 2, 3, 4
"""
_SUPPRESSIONS = """
    SELECT channel, cause, count(*) FROM carillon_suppression {sample}
    WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) GROUP BY 1, 2
"""
_SAMPLE = "TABLESAMPLE SYSTEM (%(percent)s)"
# The newest that were switched off, by hour: what an undo is about.
_GONE = """
    SELECT deactivated_reason, deactivated_by, count(*), min(deactivated_at), max(deactivated_at) FROM (
        SELECT deactivated_reason, deactivated_by, deactivated_at FROM carillon_device
        WHERE NOT is_active AND deactivated_at >= %(since)s AND deactivated_reason = ANY(%(reasons)s::varchar[])
        ORDER BY deactivated_at DESC LIMIT %(most)s
    ) newest
    GROUP BY 1, 2, date_trunc('hour', deactivated_at) ORDER BY 5 DESC LIMIT 8
"""


@dataclass(frozen=True)
class DeviceKind:
    """Devices of one channel and platform that stand alike; `unseen` of the active ones were not seen for long."""

    channel: str
    platform: str
    is_active: bool
    reason: str
    count: int
    unseen: int


@dataclass(frozen=True)
class Pruning:
    """Devices that were switched off for one reason within an hour, and when the first and the last of them."""

    reason: str
    provider: str
    count: int
    first_at: datetime
    last_at: datetime


def device_kinds(before: datetime) -> tuple[list[DeviceKind], bool]:
    """Return devices by kind, and whether they were all counted; `before` is since when an active one is unseen."""
    rows, exact = _sampled(Device, _DEVICES, {"before": before})
    return [DeviceKind(*row[:4], *_scaled(row[4:], exact)) for row in rows], exact == 1.0


def suppression_kinds() -> tuple[list[tuple[str, str, int]], bool]:
    """Return suppressions in force as (channel, cause, count), and whether they were all counted."""
    rows, exact = _sampled(Suppression, _SUPPRESSIONS, {})
    return [(row[0], row[1], *_scaled(row[2:], exact)) for row in rows], exact == 1.0


def newest_prunings(since: datetime, reasons: list[str], most: int) -> list[Pruning]:
    """Return what was switched off since then for these reasons, by hour, of the newest `most` devices."""
    with connections[router.db_for_read(Device)].cursor() as cursor:
        cursor.execute(_GONE, {"since": since, "reasons": reasons, "most": most})
        return [Pruning(*row) for row in cursor.fetchall()]


def _sampled(
    model: type[Device | Suppression], sql: str, values: dict[str, datetime]
) -> tuple[list[tuple[Any, ...]], float]:
    """Return the rows of a count over all pages or some, and which share of the pages that were."""
    with connections[router.db_for_read(model)].cursor() as cursor:
        cursor.execute(_PAGES, [model._meta.db_table])
        pages = cursor.fetchone()[0]
        share = min(1.0, MOST_PAGES / pages) if pages else 1.0
        sample = _SAMPLE if share < 1 else ""
        cursor.execute(sql.format(sample=sample), {"percent": 100 * share, **values})
        return cursor.fetchall(), share


def _scaled(counts: tuple[Any, ...], share: float) -> tuple[Any, ...]:
    return tuple(int(count) if share == 1.0 else int(float(f"{count / share:.1e}")) for count in counts)
