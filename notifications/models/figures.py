"""The SQL behind the pages of operators: roll-ups, and counts that end at a limit; nothing here grows with the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, router

from .. import conf
from ..enums import REACHED_STATES, Channel, Lane, State
from .log import Delivery

_FAILED = f"ARRAY{[State.FAILED.value, State.BOUNCED.value, State.DEAD.value]}"
_REACHED = f"ARRAY{sorted(state.value for state in REACHED_STATES)}"

# One scan for both: by time and channel for a plot, by provider and lag for sums and quantiles. What the sweeper has
# not added up yet is still among the tallies.
_TRAFFIC = f"""
    WITH moves AS (
        SELECT begins AS at, channel, provider, was, state, lag, moved FROM carillon_traffic
        WHERE seconds = 60 AND begins >= %(since)s
        UNION ALL
        SELECT slot, channel, provider, was, state, lag, moved FROM carillon_tally WHERE slot >= %(since)s
    ), placed AS (
        SELECT floor(extract(epoch FROM at - %(since)s::timestamptz) / %(width)s)::int AS place, m.* FROM moves m
    )
    SELECT grouping(place) = 0, place, channel, provider, lag,
           coalesce(sum(moved) FILTER (WHERE lag >= 0), 0)::bigint,
           coalesce(sum(moved) FILTER (WHERE state = ANY({_FAILED}) AND was <> state), 0)::bigint,
           coalesce(sum(moved) FILTER (
               WHERE state = ANY({_REACHED}) AND NOT was = ANY({_REACHED})), 0)::bigint,
           coalesce(sum(moved) FILTER (WHERE state = 'skipped' AND was <> state), 0)::bigint,
           coalesce(sum(moved) FILTER (WHERE state = was AND state = 'pending' OR state = 'uncertain'), 0)::bigint
    FROM placed GROUP BY GROUPING SETS ((place, channel), (channel, provider, lag))
"""  # noqa: S608 - built from names of ours only

#: Of each lane of each channel: how many are due, counted no further than a limit, and when the first of them was.
DUE_BY_LANE = """
    unnest(%(channels)s::text[]) AS c(channel) CROSS JOIN unnest(%(lanes)s::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT count(*) AS depth, min(due_at) AS oldest FROM (
            SELECT due_at FROM carillon_delivery
            WHERE channel = c.channel AND lane = l.lane AND state = 'pending' AND due_at <= statement_timestamp()
            ORDER BY due_at LIMIT %(limit)s
        ) first
    ) due
"""
#: For how many seconds no sweeper has renewed its lease, which it does at the beginning of every round.
SWEPT_AGO = "greatest(0, extract(epoch FROM clock_timestamp() - expires_at) + %(lease)s)::float8"
# Each part by itself ends at a limit or is a table of few rows; together they are one round trip.
_STANDING = f"""
    SELECT clock_timestamp(),
    (SELECT coalesce(json_agg(json_build_array(c.channel, l.lane, depth, extract(epoch FROM oldest))), '[]')
     FROM {DUE_BY_LANE} WHERE depth > 0),
    (SELECT coalesce(json_agg(json_build_array(alias, platform, extract(epoch FROM until), reason, held_by,
            extract(epoch FROM created_at)) ORDER BY alias, platform), '[]')
     FROM carillon_providerhold WHERE until > clock_timestamp()),
    (SELECT coalesce(json_agg(json_build_array(channel, extract(epoch FROM until), reason, paused_by,
            extract(epoch FROM created_at)) ORDER BY channel), '[]')
     FROM carillon_channelpause WHERE until > clock_timestamp()),
    (SELECT json_build_array(holder, {SWEPT_AGO}) FROM carillon_lease WHERE name = 'sweeper'),
    (SELECT coalesce(json_agg(json_build_array(id, kind, subject, count, extract(epoch FROM last_at))), '[]')
     FROM (SELECT * FROM carillon_alert WHERE acknowledged_at IS NULL ORDER BY last_at DESC LIMIT 10) a)
"""  # noqa: S608 - built from parts of ours only

_WAITING = """
    SELECT d.channel, d.reason, count(*), min(d.due_at), max(d.due_at), min(d.id::text)::uuid
    FROM unnest(%(channels)s::text[]) AS c(channel) CROSS JOIN unnest(%(lanes)s::smallint[]) AS l(lane)
    CROSS JOIN LATERAL (
        SELECT channel, reason, due_at, id FROM carillon_delivery
        WHERE channel = c.channel AND lane = l.lane AND state = 'pending' ORDER BY due_at LIMIT %(limit)s
    ) d
    GROUP BY 1, 2 ORDER BY 1, 3 DESC
"""

_RECEIPTS = """
    SELECT provider, max(received_at) FROM (
        SELECT provider, received_at FROM carillon_receipt ORDER BY id DESC LIMIT %(limit)s
    ) newest GROUP BY 1
"""

_HANDLED = """
    SELECT created_at, actor, action, reason, subject FROM (
        SELECT * FROM carillon_auditentry ORDER BY id DESC LIMIT %(limit)s
    ) newest WHERE action IN ('hold_provider', 'release_provider') ORDER BY id DESC
"""


@dataclass(frozen=True)
class Moved:
    """What one kind of traffic came to: `lag` is 2 log2 of the milliseconds until it was sent, -1 where it was not.

    `place` counts the steps since the beginning; it is None in a sum over all time. `tried_again` counts attempts that
    failed and are to be repeated, or whose end nobody knows.
    """

    place: int | None
    channel: str
    provider: str
    lag: int
    sent: int
    failed: int
    delivered: int
    skipped: int
    tried_again: int


@dataclass(frozen=True)
class Depth:
    """How much is due now in a lane, counted no further than a limit, and since when (seconds of the epoch)."""

    channel: str
    lane: int
    count: int
    oldest: float


@dataclass(frozen=True)
class Held:
    """A hold of a provider or a pause of a channel that is in force; times in seconds of the epoch."""

    name: str
    platform: str
    until: float
    reason: str
    by: str
    since: float


@dataclass(frozen=True)
class OpenAlert:
    """An alert that nobody has acknowledged."""

    id: int
    kind: str
    subject: str
    count: int
    last_at: float


@dataclass(frozen=True)
class Standing:
    """How the service stands at this moment; `sweeper` is its holder and how many seconds ago it
    renewed its lease, if there ever was one."""

    now: datetime
    depths: Sequence[Depth]
    holds: Sequence[Held]
    pauses: Sequence[Held]
    sweeper: tuple[str, float] | None
    alerts: Sequence[OpenAlert]


@dataclass(frozen=True)
class Waiting:
    """What waits on a channel for one reason, of the first that come due in each lane."""

    channel: str
    reason: str
    count: int
    first_due: datetime
    last_due: datetime
    oldest: Any


@dataclass(frozen=True)
class Handled:
    """What a person did to a provider."""

    at: datetime
    actor: str
    action: str
    reason: str
    subject: str


def traffic(since: datetime, width: int) -> list[Moved]:
    """Return all that moved since a time: sums by provider and lag, and by channel in steps of `width` seconds."""
    found = []
    for by_place, place, channel, provider, lag, *numbers in fetch(_TRAFFIC, {"since": since, "width": width}):
        found.append(Moved(place if by_place else None, channel, provider or "", -1 if lag is None else lag, *numbers))
    return found


def standing(limit: int) -> Standing:
    """Return how the service stands, in one statement; what is due is counted no further than `limit` in a lane."""
    row = fetch(_STANDING, {**ALL, "limit": limit, "lease": conf.SWEEPER_LEASE_SECONDS})[0]
    now, depths, holds, pauses, sweeper, alerts = row
    return Standing(
        now,
        [Depth(*item) for item in depths],
        [Held(*item) for item in holds],
        [Held(channel, "", *rest) for channel, *rest in pauses],
        tuple(sweeper) if sweeper else None,
        [OpenAlert(*item) for item in alerts],
    )


def waiting_by_reason(limit: int) -> list[Waiting]:
    """Return what waits by channel and reason, of the first `limit` of each channel and lane."""
    return [Waiting(*row) for row in fetch(_WAITING, {**ALL, "limit": limit})]


def last_receipts(limit: int) -> dict[str, datetime]:
    """Return when each provider's last receipt came, as far as it is among the newest `limit` of all."""
    return dict(fetch(_RECEIPTS, {"limit": limit}))


def handled(limit: int) -> list[Handled]:
    """Return what people did to providers, as far as it is among the newest `limit` lines of the audit."""
    return [Handled(*row) for row in fetch(_HANDLED, {"limit": limit})]


#: The parameters of `DUE_BY_LANE` but for its limit.
ALL: Mapping[str, Any] = {"channels": list(Channel.values), "lanes": [int(lane) for lane in Lane]}


def fetch(sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, from where deliveries are read."""
    with connections[router.db_for_read(Delivery)].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
