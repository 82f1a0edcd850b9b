"""The SQL behind probes, metrics and overviews: bounded by an index and a limit, however large the log."""

from __future__ import annotations

from datetime import datetime

from .. import conf
from .figures import ALL, DUE_BY_LANE, SWEPT_AGO, fetch

_BACKLOG = f"""
    SELECT c.channel, l.lane, depth, greatest(0, extract(epoch FROM statement_timestamp() - oldest))::float8
    FROM {DUE_BY_LANE}
"""  # noqa: S608 - built from parts of ours only
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
_SWEPT = f"SELECT {SWEPT_AGO} FROM carillon_lease WHERE name = 'sweeper'"  # noqa: S608 - of parts of ours only


def backlog(most: int) -> list[tuple[str, int, int, float | None]]:
    """Return (channel, lane, how many are due, for how many seconds the first has been), of each at most `most`."""
    return fetch(_BACKLOG, {**ALL, "limit": most})


def claims() -> list[tuple[str, int]]:
    """Return (channel, how many claims hold a lease)."""
    return fetch(_IN_FLIGHT, {})


def dead(most: int) -> list[tuple[str, str, str, str, int, datetime]]:
    """Return (channel, provider, reason, code, count, last at) of the newest `most` dead letters, the largest first."""
    return fetch(_DEAD, {"most": most})


def died_within(seconds: float, most: int) -> int:
    """Return how many of today's dead letters died within so many seconds, at most `most`."""
    return int(fetch(_DIED_SINCE, {"seconds": seconds, "most": most})[0][0])


def open_alerts() -> list[tuple[str, int]]:
    """Return (kind, how many alerts nobody acknowledged)."""
    return fetch(_ALERTS, {})


def open_holds() -> list[tuple[str, str]]:
    """Return (alias, platform) of every provider that is held now; no platform: whatever it carries."""
    return fetch(_HOLDS, {})


def swept_ago() -> float | None:
    """Return how many seconds ago a round of the sweeper began, or None if none ever did."""
    rows = fetch(_SWEPT, {"lease": conf.SWEEPER_LEASE_SECONDS})
    return float(rows[0][0]) if rows else None
