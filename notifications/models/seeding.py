"""The SQL that fills the log for load tests: made in PostgreSQL from numbers, a slice to a transaction.

Everything about a delivery follows from its number and the seed, through PostgreSQL's own hash functions, so that the
same load is the same rows, and a load that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connections

from .tally_queries import REACHED

#: The owner of every notification that was made here.
OWNER = "seed-load"


class Someone(NamedTuple):
    """A recipient of seeded deliveries: the number, the recipient's key and the addresses."""

    number: int
    recipient: str
    device: UUID | None
    token: str
    email: str
    phone: str


class Roll(NamedTuple):
    """What becomes of a delivery of a channel that rolled a number below 1,000."""

    channel: str
    roll: int
    state: str
    reason: str
    attempts: int
    code: str


class Kind(NamedTuple):
    """A template that is seeded, by number, with what its notifications and deliveries hold of it."""

    number: int
    category: str
    template: str
    version_id: int
    lane: int


class Slice(NamedTuple):
    """Some deliveries in a row, and the part of the time that they fill; of one broadcast, or singles."""

    first: int
    deliveries: int
    begins: datetime
    ends: datetime
    broadcast: UUID | None
    notification: UUID | None


_TEMPORARY = """
    CREATE TEMPORARY TABLE carillon_seed_people
        (number bigint PRIMARY KEY, recipient text, device uuid, token text, email text, phone text);
    CREATE TEMPORARY TABLE carillon_seed_rolls
        (channel text, roll int, state text, reason text, attempts int, code text, PRIMARY KEY (channel, roll));
    CREATE TEMPORARY TABLE carillon_seed_kinds
        (number int PRIMARY KEY, category text, template text, version_id bigint, lane int);
    CREATE TEMPORARY TABLE carillon_seed_routes (channel text PRIMARY KEY, provider text);
"""
_UUID = (
    "(lpad(to_hex({ms}), 12, '0') || '{version}' || lpad(to_hex({a} & 4095), 3, '0')"
    " || to_hex(({b} & 4611686018427387903) + (-9223372036854775807 - 1)))::uuid"
)
# Singles are spread over the slice's time; a broadcast goes out at 2,500 a second from its beginning.
_SLICE = f"""
    CREATE TEMPORARY TABLE carillon_seed_slice ON COMMIT DROP AS
    SELECT d.i, d.a, d.b, d.at, p.*, k.category, k.template, k.version_id, k.lane, d.channel, r.provider,
           o.state, o.reason, o.attempts, o.code,
           CASE WHEN %(notification)s::uuid IS NULL
                THEN {_UUID.format(ms="d.ms", version="7", a="d.c", b="d.a")} END AS single,
           {_UUID.format(ms="d.ms", version="8", a="d.a", b="d.b")} AS id,
           CASE WHEN o.state IN ('skipped', 'cancelled') THEN d.at
                ELSE d.at + make_interval(secs => d.place / %(pace)s + (d.b & 4095)::float8 / 1000) END AS ended
    FROM (
        SELECT e.*, (extract(epoch FROM e.at) * 1000)::bigint AS ms,
               CASE WHEN %(notification)s::uuid IS NOT NULL THEN %(channel)s
                    WHEN mod(e.a & 1048575, 100) < 60 THEN 'push'
                    WHEN mod(e.a & 1048575, 100) < 85 THEN 'email' ELSE 'sms' END AS channel,
               -- Of singles some people get far more than others.
               CASE WHEN %(notification)s::uuid IS NOT NULL THEN mod(%(offset)s + e.place, %(users)s)
                    ELSE least(%(users)s - 1, floor(%(users)s * power((e.c & 1048575)::float8 / 1048576, 1.3)))::bigint
               END AS someone
        FROM (
            SELECT i, i - %(first)s AS place,
                   hashint8extended(i, %(seed)s) AS a, hashint8extended(i, %(seed)s + 1) AS b,
                   hashint8extended(i, %(seed)s + 2) AS c,
                   date_trunc('milliseconds', CASE WHEN %(notification)s::uuid IS NOT NULL THEN %(begins)s ELSE
                       %(begins)s + (%(ends)s - %(begins)s) * ((i - %(first)s)::float8 / %(count)s) END) AS at
            FROM generate_series(%(first)s, %(first)s + %(count)s - 1) i
        ) e
    ) d
    JOIN carillon_seed_people p ON p.number = d.someone
    JOIN carillon_seed_kinds k ON k.number = CASE WHEN %(notification)s::uuid IS NULL
                                                  THEN mod(d.b & 1048575, 2) ELSE 2 END
    JOIN carillon_seed_rolls o ON o.channel = CASE WHEN d.channel = 'push' AND p.device IS NULL THEN 'none'
                                                   ELSE d.channel END
                              AND o.roll = mod((d.a >> 20) & 1048575, 1000)
    LEFT JOIN carillon_seed_routes r ON r.channel = d.channel
"""  # noqa: S608 - names and expressions of ours
_NOTIFICATIONS = """
    INSERT INTO carillon_notification (id, recipient, template, category, version_id, data, channels, tags, addresses,
                                       locale, time_zone, collapse_key, owner, request_id, created_at)
    SELECT single, recipient, template, category, version_id, jsonb_build_object('number', i, 'title', 'Seeded'),
           '[]', '[]', '{}', '', '', '', %(owner)s, '', at
    FROM carillon_seed_slice WHERE single IS NOT NULL
"""
_BROADCAST = """
    WITH put AS (
        INSERT INTO carillon_notification (id, recipient, template, category, version_id, data, channels, tags,
                                           addresses, locale, time_zone, collapse_key, owner, request_id, created_at)
        SELECT %(notification)s, '', template, category, version_id, '{"title": "Seeded"}', '[]', '[]', '{}', '', '',
               '', %(owner)s, '', %(begins)s FROM carillon_seed_kinds WHERE number = 2
    )
    INSERT INTO carillon_broadcast (id, notification_id, status, audience, cursor, members, planned, problems,
                                    tallied, created_at, started_at, planned_at, finished_at)
    SELECT %(broadcast)s, %(notification)s, 'done', '{"all_users": true}', '', %(count)s, %(count)s, 0, true,
           %(begins)s, %(begins)s, %(begins)s + interval '10 seconds', max(ended) FROM carillon_seed_slice
"""
_WENT = "state IN ('sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained')"
_DELIVERIES = f"""
    INSERT INTO carillon_delivery (id, notification_id, recipient, channel, step, lane, device_id, address, locale,
        time_zone, state, reason, due_at, attempt, retries, generation, lost_leases, possible_duplicate, maybe_sent,
        provider, provider_message_id, error_code, error_detail, sent_at, delivered_at, updated_at)
    SELECT id, coalesce(single, %(notification)s), recipient, channel, 0, lane,
           CASE WHEN channel = 'push' THEN device END,
           CASE channel WHEN 'push' THEN token WHEN 'sms' THEN phone ELSE email END, 'en', 'Europe/Berlin',
           state, reason, at, attempts, greatest(attempts - 1, 0), 0, 0,
           attempts > 1 AND mod(b & 1048575, 100) = 0, {_WENT},
           CASE WHEN attempts > 0 THEN coalesce(provider, '') ELSE '' END,
           CASE WHEN {_WENT} THEN 'seeded-' || to_hex(a) || to_hex(b) ELSE '' END,
           code, CASE WHEN code <> '' THEN 'As seeded' ELSE '' END,
           CASE WHEN {_WENT} THEN ended END,
           CASE WHEN state IN ('delivered', 'opened', 'clicked') THEN ended + interval '4 seconds' END,
           ended + CASE WHEN {_WENT} AND state <> 'sent' THEN interval '4 seconds' ELSE interval '0' END
    FROM carillon_seed_slice
"""  # noqa: S608 - names and expressions of ours
# As the sweeper would add them up, once it is long ago.
_TALLIES = f"""
    INSERT INTO carillon_broadcasttally (notification_id, slot, state, held, sent, delivered)
    SELECT %(notification)s, 'epoch', state, count(*), count(*) FILTER (WHERE {_WENT}),
           count(*) FILTER (WHERE state = ANY({REACHED}))
    FROM carillon_seed_slice GROUP BY state
"""  # noqa: S608 - names and expressions of ours
_EVENTS = f"""
    INSERT INTO carillon_deliveryevent (id, delivery_id, at, attempt, state, reason, provider, code, detail, actor)
    SELECT {_UUID.format(ms="(extract(epoch FROM e.at) * 1000)::bigint", version="7", a="e.a", b="e.b")},
           id, e.at, tried, 'pending', 'retry', coalesce(provider, ''), '503', 'As seeded', ''
    FROM (SELECT s.id, s.provider, tried, hashint8extended(s.a, tried) AS a, hashint8extended(s.b, tried) AS b,
                 s.at + tried * interval '200 milliseconds' AS at
          FROM carillon_seed_slice s, generate_series(1, s.attempts - 1) tried) e
"""  # noqa: S608 - names and expressions of ours
_RECEIPTS = """
    INSERT INTO carillon_receipt (provider, event_key, kind, delivery_id, attempt, provider_message_id, address,
        address_hash, code, detail, suppress, deactivate, raw, received_at, verdict)
    SELECT coalesce(provider, ''), 'seeded-' || id, 'delivered', id, attempts, '', '', '', '', '', '', false, '{}',
           ended + interval '4 seconds', 'merged'
    FROM carillon_seed_slice WHERE state = 'delivered' AND mod(a & 1048575, 10) = 0
"""
# A step ends at the limit or at the bound, whatever of it is ours: no step searches for long.
_REMOVE = """
    WITH part AS (
        SELECT d.id, n.owner FROM carillon_delivery d LEFT JOIN carillon_notification n ON n.id = d.notification_id
        WHERE d.id > %(after)s AND d.id < %(beyond)s ORDER BY d.id LIMIT %(limit)s
    ), ours AS (SELECT id FROM part WHERE owner = %(owner)s
    ), events AS (DELETE FROM carillon_deliveryevent e USING ours
                  WHERE e.delivery_id = ours.id AND e.id > %(after)s AND e.id < %(latest)s
    ), receipts AS (DELETE FROM carillon_receipt r USING ours WHERE r.delivery_id = ours.id
    ), gone AS (DELETE FROM carillon_delivery d USING ours
                WHERE d.id = ours.id AND d.id > %(after)s AND d.id < %(beyond)s RETURNING d.id)
    SELECT count(*), (SELECT count(*) FROM gone), (SELECT id FROM part ORDER BY id DESC LIMIT 1) FROM part
"""


def begin(
    using: str, people: Iterable[Sequence[Someone]], rolls: Sequence[Roll], kinds: Sequence[Kind],
    routes: Mapping[str, str],
) -> None:  # fmt: skip
    """Make the temporary tables that slices are drawn from; they last as long as the connection."""
    with connections[using].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS carillon_seed_people, carillon_seed_rolls, carillon_seed_kinds")
        cursor.execute("DROP TABLE IF EXISTS carillon_seed_routes")
        cursor.execute(_TEMPORARY)
        for page in people:
            columns = [list(column) for column in zip(*page, strict=True)]
            cursor.execute(
                "INSERT INTO carillon_seed_people SELECT * FROM "
                "unnest(%s::bigint[], %s::text[], %s::uuid[], %s::text[], %s::text[], %s::text[])",
                columns,
            )
        cursor.executemany("INSERT INTO carillon_seed_rolls VALUES (%s, %s, %s, %s, %s, %s)", rolls)
        cursor.executemany("INSERT INTO carillon_seed_kinds VALUES (%s, %s, %s, %s, %s)", kinds)
        cursor.executemany("INSERT INTO carillon_seed_routes VALUES (%s, %s)", list(routes.items()))
        cursor.execute("ANALYZE carillon_seed_people, carillon_seed_rolls, carillon_seed_kinds, carillon_seed_routes")


def fill(using: str, part: Slice, *, seed: int, users: int, channel: str) -> int:
    """Insert one slice with all that belongs to it, in the caller's transaction; return how many deliveries that were.

    The one place that writes seeded deliveries: whatever else is kept for each delivery is filled here as well, from
    the temporary table `carillon_seed_slice`.
    """
    values: dict[str, int | float | str | datetime | UUID | None] = {
        "first": part.first,
        "count": part.deliveries,
        "begins": part.begins,
        "ends": part.ends,
        "broadcast": part.broadcast,
        "notification": part.notification,
        "seed": seed,
        "users": users,
        "channel": channel,
        "offset": part.first % users,
        "pace": 2500.0 if part.broadcast else float("inf"),
        "owner": OWNER,
    }
    with connections[using].cursor() as cursor:
        cursor.execute(_SLICE, values)
        cursor.execute(_BROADCAST if part.broadcast else _NOTIFICATIONS, values)
        cursor.execute(_DELIVERIES, values)
        made: int = cursor.rowcount
        if part.broadcast:
            cursor.execute(_TALLIES, values)
        cursor.execute(_EVENTS, values)
        cursor.execute(_RECEIPTS, values)
        cursor.execute("DROP TABLE carillon_seed_slice")
    return made


def remove_some(using: str, after: UUID, beyond: UUID, latest: UUID, limit: int) -> tuple[int, int, UUID | None]:
    """Delete the seeded of the next deliveries behind `after`; return how many were read and deleted, and the last."""
    values: dict[str, UUID | int | str] = {
        "after": after,
        "beyond": beyond,
        "latest": latest,
        "limit": limit,
        "owner": OWNER,
    }
    with connections[using].cursor() as cursor:
        cursor.execute(_REMOVE, values)
        read, gone, last = cursor.fetchone()
    return read, gone, last
