"""The SQL that works on deliveries: every statement set-wise, every one with a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from ..enums import Lane, Reason, State
from ..rules.identity import bounds_of
from ..rules.standing import STANDING_FIELDS, Change, Standing

if TYPE_CHECKING:
    from .log import Delivery

_TYPES = {
    "due_at": "timestamptz",
    "fallback_at": "timestamptz",
    "attempt": "smallint",
    "retries": "smallint",
    "generation": "smallint",
    "lost_leases": "smallint",
    "claim_id": "bigint",
    "position": "integer",
    "possible_duplicate": "boolean",
    "maybe_sent": "boolean",
    "keyed_at": "timestamptz",
    "sent_at": "timestamptz",
    "delivered_at": "timestamptz",
}
# Built from names of ours only, no value.
_APPLY = """
    WITH locked AS (SELECT id FROM carillon_delivery WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE)
    UPDATE carillon_delivery d SET {assign}, updated_at = clock_timestamp()
    FROM unnest(%s::uuid[], %s::text[], %s::bigint[], {arrays}) AS u(id, was_state, was_claim, {names})
    JOIN locked ON locked.id = u.id
    WHERE d.id = u.id AND d.state = u.was_state AND d.claim_id IS NOT DISTINCT FROM u.was_claim
    RETURNING d.id
""".format(  # noqa: S608
    assign=", ".join(f"{name} = u.{name}" for name in STANDING_FIELDS),
    arrays=", ".join(f"%s::{_TYPES.get(name, 'text')}[]" for name in STANDING_FIELDS),
    names=", ".join(STANDING_FIELDS),
)
_DUE_LANE = """
    SELECT l.lane FROM unnest(%s::smallint[]) AS l(lane)
    WHERE EXISTS (SELECT 1 FROM carillon_delivery
                  WHERE channel = %s AND lane = l.lane AND state = 'pending' AND due_at <= statement_timestamp())
    ORDER BY l.lane LIMIT 1
"""
_NEXT_DUE = """
    SELECT extract(epoch FROM min(d.due_at) - clock_timestamp())::float8
    FROM unnest(%s::smallint[]) AS l(lane) CROSS JOIN LATERAL (
        SELECT due_at FROM carillon_delivery
        WHERE channel = %s AND lane = l.lane AND state = 'pending' ORDER BY due_at LIMIT 1
    ) d
"""
_SIBLINGS = """
    SELECT d.notification_id, d.recipient, d.step, d.state
    FROM unnest(%s::uuid[], %s::text[]) AS u(notification_id, recipient)
    JOIN carillon_delivery d ON d.notification_id = u.notification_id AND d.recipient = u.recipient
    WHERE d.id >= %s::uuid AND d.id < %s::uuid
"""
_START_GROUP = """
    WITH owned AS (
        UPDATE carillon_claim SET started_upto = %(upto)s,
               lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE id = %(claim)s AND worker = %(worker)s RETURNING id
    ), others AS (
        -- A worker that serves something more urgent meanwhile still holds its earlier claims.
        UPDATE carillon_claim
        SET lease_expires_at = greatest(lease_expires_at, clock_timestamp() + make_interval(secs => %(lease)s))
        WHERE worker = %(worker)s AND id <> %(claim)s AND EXISTS (SELECT 1 FROM owned)
    )
    SELECT owned.id, s.id, s.why FROM owned LEFT JOIN LATERAL (
        SELECT d.id, CASE WHEN n.cancelled_at IS NOT NULL OR b.status = 'cancelled' THEN 'cancelled'
                          WHEN b.status IN ('paused', 'stopped') THEN 'paused' ELSE 'expired' END AS why
        FROM carillon_delivery d JOIN carillon_notification n ON n.id = d.notification_id
        LEFT JOIN carillon_broadcast b ON b.notification_id = n.id
        WHERE d.state = 'sending' AND d.claim_id = owned.id AND d.position > %(done)s AND d.position <= %(upto)s
          AND (n.cancelled_at IS NOT NULL OR d.expires_at <= clock_timestamp()
               OR b.status IN ('cancelled', 'stopped', 'paused'))
    ) s ON true
"""


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries, and the statements that claim and change them."""

    def database_now(self) -> datetime:
        """Return the database's clock, which judges lease, due and expiry."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now: datetime = cursor.fetchone()[0]
        return now

    def insert_planned(self, rows: Sequence[Delivery]) -> int:
        """Insert planned deliveries; one that exists already is left alone. Return how many rows were offered."""
        self.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)
        return len(rows)

    def apply(self, changes: Sequence[Change]) -> set[UUID]:
        """Write new standings where the deliveries still stand as `before` says; return the ids that did."""
        columns = [[getattr(change.after, name) for change in changes] for name in STANDING_FIELDS]
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                _APPLY,
                [
                    [change.delivery_id for change in changes],
                    [change.delivery_id for change in changes],
                    [change.before.state.value for change in changes],
                    [change.before.claim_id for change in changes],
                    *(
                        [str(item) if name in ("state", "reason") else item for item in column]
                        for name, column in zip(STANDING_FIELDS, columns, strict=True)
                    ),
                ],
            )
            return {row[0] for row in cursor.fetchall()}

    def due_lane(self, channel: str, lanes: Sequence[int]) -> int | None:
        """Return the most urgent of these lanes that has something due on the channel."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_DUE_LANE, [list(lanes), channel])
            row = cursor.fetchone()
        return row[0] if row else None

    def next_due(self, channel: str) -> float | None:
        """Return in how many seconds the next delivery of a channel is due (negative: it is), or None without one."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(_NEXT_DUE, [[int(lane) for lane in Lane], channel])
            row = cursor.fetchone()
        return row[0] if row else None

    def lock_due(self, channel: str, lane: int, limit: int) -> list[Delivery]:
        """Lock what has been due longest in a lane, passing over what another worker holds."""
        due = self.filter(channel=channel, lane=lane, state=State.PENDING, due_at__lte=models.functions.Now())
        return list(due.order_by("due_at").select_for_update(skip_locked=True)[:limit])

    def lock_ids(self, ids: Sequence[UUID]) -> list[Delivery]:
        """Lock these deliveries in id order, so that two callers never wait for each other in a circle."""
        return list(self.filter(pk__in=ids).order_by("pk").select_for_update())

    def lock_recipient(self, notification_id: UUID, recipient: str) -> list[Delivery]:
        """Lock all deliveries of one notification to one recipient, in id order."""
        mine = self.filter(notification_id=notification_id, recipient=recipient)
        return list(mine.order_by("pk").select_for_update())

    def siblings(self, rows: Collection[Delivery]) -> dict[tuple[UUID, str], list[tuple[int, State]]]:
        """Return (step, state) of every delivery of these rows' notifications to the same recipients, by both.

        Exact for rows that are locked: who falls back locks all of them before it plans the next step.
        """
        pairs = {(row.notification_id, row.recipient) for row in rows}
        if not pairs:
            return {}
        first, beyond = bounds_of(notification_id for notification_id, _ in pairs)
        notifications, recipients = zip(*pairs, strict=True)
        found: dict[tuple[UUID, str], list[tuple[int, State]]] = defaultdict(list)
        with connections[self.db].cursor() as cursor:
            cursor.execute(_SIBLINGS, [list(notifications), list(recipients), first, beyond])
            for notification_id, recipient, step, state in cursor.fetchall():
                found[notification_id, recipient].append((step, State(state)))
        return found

    def gathered_or_begun(self, rows: Sequence[Delivery]) -> dict[tuple[UUID, str], bool]:
        """Return of which of these rows' (notification, recipient) another device had its turn: whether a digest's.

        True: a digest gathered it. False: it was claimed, and so had its place.
        """
        ids, recipients = {row.notification_id for row in rows}, {row.recipient for row in rows}
        others = self.filter(
            notification_id__in=ids, recipient__in=recipients, channel__in={row.channel for row in rows}
        )
        first, beyond = bounds_of(ids)  # so that only the partitions of these are read
        others = others.filter(pk__gte=first, pk__lt=beyond)
        begun = others.filter(Q(state__in=[State.DIGESTED, State.SENDING]) | Q(attempt__gt=0))
        found: dict[tuple[UUID, str], bool] = {}
        for notification_id, recipient, state in begun.values_list("notification_id", "recipient", "state"):
            digested = found.get((notification_id, recipient), False) or state == State.DIGESTED
            found[notification_id, recipient] = digested
        return found

    def use_version(self, ids: Sequence[UUID], version_id: int) -> None:
        """Let these deliveries have the words of another version than their notification began with."""
        self.filter(pk__in=ids).update(version_id=version_id)

    def lock_some(self, condition: Q, limit: int) -> list[Delivery]:
        """Lock up to `limit` deliveries that fit, passing over locked ones."""
        # No order: with one, PostgreSQL may walk every partition's primary key instead of the partial index.
        return list(self.filter(condition).order_by().select_for_update(skip_locked=True)[:limit])

    def start_group(
        self, claim_id: int, worker: str, done: int, upto: int, lease_seconds: float
    ) -> dict[UUID, str] | None:
        """Declare that sends up to a position may start, and renew the lease.

        Return by delivery id why some of the group must not be sent after all ("cancelled", "paused", "expired"),
        or None if the claim is no longer this worker's.
        """
        values: dict[str, float | str] = {
            "claim": claim_id, "worker": worker, "done": done, "upto": upto, "lease": lease_seconds
        }  # fmt: skip
        with connections[self.db].cursor() as cursor:
            cursor.execute(_START_GROUP, values)
            rows = cursor.fetchall()
        if not rows:
            return None
        return {row[1]: row[2] for row in rows if row[1] is not None}


def standing_of(delivery: Delivery) -> Standing:
    """Return a loaded delivery's standing."""
    values = {name: getattr(delivery, name) for name in STANDING_FIELDS}
    return Standing(**{**values, "state": State(values["state"]), "reason": Reason(values["reason"])})


def stand_at(delivery: Delivery, standing: Standing) -> None:
    """Let a loaded delivery stand where it was just recorded to stand; writes nothing."""
    for name in STANDING_FIELDS:
        setattr(delivery, name, getattr(standing, name))
