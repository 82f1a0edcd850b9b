"""The SQL that the console reads with: bounded by a limit, an index or a deadline, so that no page waits for long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connections, router, transaction

from .access import IdempotencyKey
from .log import Delivery

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_CANCELLED = "57014"
_SET_TIMEOUT = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)"
SPARKS = 16
# All groups share one axis of time, so that what died together is seen to; only numbers of ours are put in. Letters are
# counted by cause and part of the axis first: sixteen counts of each letter, and sorting them, took most of the time.
_DEAD_GROUPS = """
    WITH newest AS (
        SELECT id, notification_id, channel, provider, error_code, reason, updated_at, expires_at,
               row_number() OVER (ORDER BY updated_at DESC, id DESC) AS number
        FROM (SELECT * FROM carillon_delivery WHERE state = 'dead' ORDER BY updated_at DESC LIMIT %(limit)s) d
    ), axis AS (
        SELECT date_part('epoch', min(updated_at)) AS low, date_part('epoch', max(updated_at)) + 0.001 AS high
        FROM newest
    ), parts AS (
        SELECT d.channel, d.provider, d.error_code, n.template, d.reason,
               width_bucket(date_part('epoch', d.updated_at), low, high, {most}) AS part,
               count(*) AS held, min(d.updated_at) AS first_at, max(d.updated_at) AS last_at,
               count(*) FILTER (WHERE d.expires_at <= clock_timestamp()) AS expired, min(d.number) AS number
        FROM newest d
        -- One look-up for each: a join would read all notifications.
        CROSS JOIN LATERAL (SELECT template FROM carillon_notification WHERE id = d.notification_id LIMIT 1) n
        CROSS JOIN axis
        GROUP BY 1, 2, 3, 4, 5, 6
    ), causes AS (
        SELECT channel, provider, error_code, template, reason, sum(held)::int AS held, min(first_at) AS first_at,
               max(last_at) AS last_at, sum(expired)::int AS expired, min(number) AS number, ARRAY[{sparks}] AS sparks
        FROM parts GROUP BY 1, 2, 3, 4, 5 ORDER BY held DESC, last_at DESC LIMIT 100
    )
    SELECT c.channel, c.provider, c.error_code, c.template, c.reason, c.held, c.first_at, c.last_at, c.expired, d.id,
           c.sparks
    FROM causes c JOIN newest d USING (number) ORDER BY c.held DESC, c.last_at DESC
""".format(  # noqa: S608
    most=SPARKS,
    sparks=", ".join(f"COALESCE(sum(held) FILTER (WHERE part = {n + 1}), 0)::int" for n in range(SPARKS)),
)
# An id of a delivery keeps the time of its notification: the bounds keep the look-up within few partitions.
_FIND = """
    SELECT 'notification', id, recipient FROM carillon_notification WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'delivery', id, recipient FROM carillon_delivery WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 'delivery', id, recipient FROM carillon_delivery
    WHERE provider_message_id = %(term)s AND provider_message_id <> ''
    UNION ALL
    SELECT 'notification', n.id, n.recipient
    FROM carillon_idempotencykey k JOIN carillon_notification n ON n.id = k.notification_id
    WHERE k.key = %(term)s AND k.owner IN (SELECT owner FROM carillon_apikey UNION SELECT %(python)s)
    UNION ALL
    SELECT 'device', id, 'u:' || user_id FROM carillon_device WHERE address_hash = ANY(%(hashes)s::varchar[])
    UNION ALL
    -- What the console shows of a token is its end.
    SELECT 'device', id, 'u:' || user_id FROM carillon_device
    WHERE channel = 'push' AND right(address, 6) = %(ending)s AND right(address, length(%(term)s)) = %(term)s
    UNION ALL
    SELECT DISTINCT 'address', NULL::uuid, recipient FROM carillon_notification
    WHERE recipient = ANY(%(recipients)s::varchar[])
    LIMIT 50
"""
_HISTORY = """
    SELECT 'event', at, delivery_id, attempt, state, reason, provider, code, detail, actor
    FROM carillon_deliveryevent WHERE delivery_id = ANY(%(deliveries)s::uuid[]) AND id >= %(first)s::uuid
    UNION ALL
    SELECT 'receipt', COALESCE(occurred_at, received_at), delivery_id, COALESCE(attempt, 0), kind, verdict, provider,
           code, detail, ''
    FROM carillon_receipt WHERE delivery_id = ANY(%(deliveries)s::uuid[])
    UNION ALL
    (SELECT 'refused', created_at, NULL::uuid, 0, reason, template, '', request_id, detail, owner
     FROM carillon_refusedrequest
     WHERE recipient = %(recipient)s AND created_at >= %(since)s AND created_at < %(until)s
     ORDER BY created_at DESC LIMIT 50)
    ORDER BY 2
"""


class TooSlow(Exception):
    """The database did not answer before the deadline; a narrower question may."""


@dataclass(frozen=True)
class DeadGroup:
    """Dead letters that died of the same cause."""

    channel: str
    provider: str
    code: str
    template: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    expired: int
    sample: UUID
    sparks: Sequence[int]


@dataclass(frozen=True)
class Trace:
    """Where a search term was found: what kind of row, its id and whom it is about."""

    kind: str
    id: UUID | None
    recipient: str


@dataclass(frozen=True)
class Line:
    """One thing that happened: an event, a receipt or a refused request.

    For a receipt `state` is its kind and `reason` the verdict; for a refused request they are why and the template.
    """

    kind: str
    at: datetime
    delivery_id: UUID | None
    attempt: int
    state: str
    reason: str
    provider: str
    code: str
    detail: str
    actor: str


@contextmanager
def deadline(using: str, milliseconds: int) -> Iterator[None]:
    """Give every statement inside at most this long.

    Raises:
        TooSlow: one took longer; whatever was done inside is rolled back.
    """
    nested = connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(_SET_TIMEOUT, [str(milliseconds)])
            before = cursor.fetchone()[0]
            yield
            if nested:  # else it ends with the transaction
                cursor.execute(_SET_TIMEOUT, [before])
    except OperationalError as error:
        cause = error.__cause__
        if _CANCELLED in (getattr(cause, "pgcode", None), getattr(cause, "sqlstate", None)):
            raise TooSlow from error
        raise


def dead_groups(limit: int) -> list[DeadGroup]:
    """Return the newest `limit` dead letters, counted by cause, the largest first."""
    return [DeadGroup(*row) for row in _fetch(router.db_for_read(Delivery), _DEAD_GROUPS, {"limit": limit})]


def find_traces(
    term: str, identifier: UUID | None, hashes: Sequence[str], recipients: Sequence[str], python_owner: str
) -> list[Trace]:
    """Return the rows that a term names, whatever it is, in one statement."""
    values = {
        "id": identifier,
        "ending": term[-6:] if len(term) >= 6 else None,
        "term": term,
        "python": python_owner,
        "hashes": list(hashes),
        "recipients": list(recipients),
    }
    return [Trace(*row) for row in _fetch(router.db_for_read(IdempotencyKey), _FIND, values)]


def history(
    deliveries: Sequence[UUID], recipient: str | None = None, between: tuple[datetime, datetime] = ALWAYS
) -> list[Line]:
    """Return what happened to these deliveries, and what was refused for the recipient meanwhile, oldest first."""
    first = UUID(int=min((item.int for item in deliveries), default=0) >> 80 << 80)
    values = {
        "deliveries": list(deliveries),
        "recipient": recipient,
        "since": between[0],
        "until": between[1],
        "first": first,
    }
    return [Line(*row) for row in _fetch(router.db_for_read(Delivery), _HISTORY, values)]


def _fetch(using: str, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
