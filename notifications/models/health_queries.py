"""The SQL behind probes, metrics and overviews: bounded by an index and a limit, however large the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connections, router

from .log import Delivery

# Of each lane of each channel: how many are due, up to a limit, and for how long the first of them has been.
_BACKLOG = """
    SELECT c.channel, l.lane, due.depth, greatest(0, extract(epoch FROM statement_timestamp() - due.oldest))::float8
    FROM unnest(%(channels)s::text[]) AS c(channel) CROSS JOIN unnest(%(lanes)s::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT count(*) AS depth, min(due_at) AS oldest FROM (
            SELECT due_at FROM carillon_delivery
            WHERE channel = c.channel AND lane = l.lane AND state = 'pending' AND due_at <= statement_timestamp()
            ORDER BY due_at LIMIT %(most)s
        ) first
    ) due
"""
_IN_FLIGHT = """
    SELECT channel, count(*) FROM carillon_claim WHERE lease_expires_at > statement_timestamp() GROUP BY 1
"""
_DEAD = """
    SELECT channel, provider, reason, error_code, count(*), max(updated_at) FROM (
        SELECT channel, provider, reason, error_code, updated_at
        FROM carillon_delivery WHERE state = 'dead' ORDER BY updated_at DESC LIMIT %(most)s
    ) newest
    GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4
"""
_DIED_SINCE = """
    SELECT count(*) FROM (
        SELECT 1 FROM carillon_delivery
        WHERE state = 'dead' AND updated_at > statement_timestamp() - make_interval(secs => %(seconds)s) LIMIT %(most)s
    ) recent
"""
_ALERTS = "SELECT kind, count(*) FROM carillon_alert WHERE acknowledged_at IS NULL GROUP BY 1 ORDER BY 1"
_HOLDS = "SELECT alias, platform FROM carillon_providerhold WHERE until > statement_timestamp() ORDER BY 1, 2"
# A lease is renewed at the beginning of every round.
_SWEPT = """
    SELECT extract(epoch FROM clock_timestamp() - expires_at)::float8 + %(lease)s
    FROM carillon_lease WHERE name = 'sweeper'
"""


def backlog(channels: Sequence[str], lanes: Sequence[int], most: int) -> list[tuple[str, int, int, float | None]]:
    """Return (channel, lane, how many are due, for how many seconds the first has been), of each at most `most`."""
    return _fetch(_BACKLOG, {"channels": list(channels), "lanes": list(lanes), "most": most})


def claims() -> list[tuple[str, int]]:
    """Return (channel, how many claims hold a lease)."""
    return _fetch(_IN_FLIGHT, {})


def dead(most: int) -> list[tuple[str, str, str, str, int, datetime]]:
    """Return (channel, provider, reason, code, count, last at) of the newest `most` dead letters, the largest first."""
    return _fetch(_DEAD, {"most": most})


def died_within(seconds: float, most: int) -> int:
    """Return how many of today's dead letters died within so many seconds, at most `most`."""
    return int(_fetch(_DIED_SINCE, {"seconds": seconds, "most": most})[0][0])


def open_alerts() -> list[tuple[str, int]]:
    """Return (kind, how many alerts nobody acknowledged)."""
    return _fetch(_ALERTS, {})


def open_holds() -> list[tuple[str, str]]:
    """Return (alias, platform) of every provider that is held now; no platform: whatever it carries."""
    return _fetch(_HOLDS, {})


def swept_ago(lease_seconds: float) -> float | None:
    """Return how many seconds ago a round of the sweeper began, or None if none ever did."""
    rows = _fetch(_SWEPT, {"lease": lease_seconds})
    return float(rows[0][0]) if rows else None


def _fetch(sql: str, values: dict[str, Any]) -> list[Any]:
    with connections[router.db_for_read(Delivery)].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
