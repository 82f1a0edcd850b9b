"""The SQL that works on deliveries: every statement set-wise, every one with a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from ..enums import Lane, Reason, State
from ..rules.standing import STANDING_FIELDS, Change, Standing
from . import client_sql, due_sql, insert_sql, standing_sql
from .insert_sql import Column, NewDelivery
from .weeks import weeks_around

if TYPE_CHECKING:
    from .log import Delivery

#: More than a page of recipients has, most of whom have one device.
_PAGE = 4_000
# LATERAL with an OFFSET is asked pair by pair: as a join it may become one with all rows of a broadcast.
_SIBLINGS = """
    SELECT u.notification_id, u.recipient, d.step, d.state
    FROM unnest(%s::uuid[], %s::text[]) AS u(notification_id, recipient) CROSS JOIN LATERAL (
        SELECT step, state FROM carillon_delivery
        WHERE notification_id = u.notification_id AND recipient = u.recipient AND id >= %s::uuid AND id < %s::uuid
        OFFSET 0
    ) d
"""
_START_GROUP = """
    WITH owned AS (
        UPDATE carillon_claim SET started_upto = %(upto)s,
               lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE id = %(claim)s AND worker = %(worker)s RETURNING id
    ), others AS (
        -- A worker that serves something more urgent meanwhile still holds its earlier claims; what it does not know to
        -- hold (it never heard that the claim was committed, say) others must take over.
        UPDATE carillon_claim
        SET lease_expires_at = greatest(lease_expires_at, clock_timestamp() + make_interval(secs => %(lease)s))
        WHERE id = ANY(%(others)s::bigint[]) AND worker = %(worker)s AND EXISTS (SELECT 1 FROM owned)
    )
    SELECT s.id, s.why FROM owned LEFT JOIN LATERAL (
        SELECT n.id, CASE WHEN n.cancelled_at IS NOT NULL OR b.status = 'cancelled' THEN 'cancelled'
                          ELSE 'paused' END AS why
        FROM carillon_notification n LEFT JOIN carillon_broadcast b ON b.notification_id = n.id
        WHERE n.id = ANY(%(notifications)s::uuid[])
          AND (n.cancelled_at IS NOT NULL OR b.status IN ('cancelled', 'stopped', 'paused'))
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

    def insert_planned(self, rows: Sequence[NewDelivery], *, tell: bool) -> set[UUID]:
        """Insert planned deliveries and tally them; one that exists already is left alone.

        Return the ids inserted, if they are to be told.
        """
        inserted: set[UUID] = set()
        # In id order, so that two who plan the same people never wait for each other in a circle.
        rows = sorted(rows, key=attrgetter("id"))
        for start in range(0, len(rows), _PAGE):
            inserted |= self._insert_page(rows[start : start + _PAGE], tell=tell)
        return inserted

    def _insert_page(self, rows: Sequence[NewDelivery], *, tell: bool) -> set[UUID]:
        with connections[self.db].cursor() as cursor:
            cursor.execute(*insert_sql.statement(_columns(self.model, self.db), rows, tell=tell))
            return {row[0] for row in cursor.fetchall()}

    def apply(self, changes: Sequence[Change]) -> set[UUID]:
        """Write new standings where the deliveries still stand as `before` says; return the ids that did."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(*standing_sql.statement(changes))
            written, ids = cursor.fetchone()
        # Nearly always it is all of them, and reading their ids back would take longer than writing them.
        return set(ids) if written < len(changes) else {change.delivery_id for change in changes}

    def claim_now(self) -> datetime:
        """Return the database's clock as `database_now` does; the planner is as free as before `due_lane`."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(due_sql.NOW_IN_ANY_ORDER)
            now: datetime = cursor.fetchone()[0]
        return now

    def due_lane(self, channel: str, lanes: Sequence[int]) -> int | None:
        """Return the most urgent of these lanes that has something due on the channel.

        Until `claim_now`, this transaction then reads in an index's order what has one: it is about to lock some.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(due_sql.DUE_LANE_IN_ORDER, [list(lanes), channel])
            row = cursor.fetchone()
        return row[0] if row else None

    def channels_due(self, channels: Collection[str], lanes: Sequence[int]) -> list[str]:
        """Return which of these channels have something due in one of these lanes."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(due_sql.CHANNELS_DUE, [list(channels), list(lanes)])
            return [row[0] for row in cursor.fetchall()]

    def next_due(self, channel: str) -> float | None:
        """Return in how many seconds the next delivery of a channel is due (negative: it is), or None without one."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(due_sql.NEXT_DUE, [[int(lane) for lane in Lane], channel])
            row = cursor.fetchone()
        return row[0] if row else None

    def lock_due(self, channel: str, lane: int, limit: int) -> list[Delivery]:
        """Lock what has been due longest in a lane, passing over what another worker holds."""
        due = self.filter(channel=channel, lane=lane, state=State.PENDING, due_at__lte=models.functions.Now())
        return list(due.order_by("due_at").select_for_update(skip_locked=True)[:limit])

    def clients_due(self, channel: str, lane: int, most: int) -> list[int]:
        """Return the numbers of clients that have something due in a lane, `most` at most; broadcasts are none."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(client_sql.CLIENTS_DUE, {"channel": channel, "lane": lane, "most": most})
            return [row[0] for row in cursor.fetchall()]

    def lock_of_clients(self, channel: str, lane: int, clients: Sequence[int], each: int) -> list[Delivery]:
        """Lock what has been due longest of each of these clients, passing over what another worker holds."""
        values = {"channel": channel, "lane": lane, "clients": list(clients), "each": each}
        return list(self.raw(client_sql.LOCK_OF_CLIENTS, values))

    def lock_ids(self, ids: Sequence[UUID]) -> list[Delivery]:
        """Lock these deliveries in id order, so that two callers never wait for each other in a circle."""
        return list(self.filter(pk__in=ids).order_by("pk").select_for_update())

    def lock_free(self, ids: Collection[UUID]) -> set[UUID]:
        """Lock those of these deliveries that nobody else holds, and return their ids."""
        return set(self.filter(pk__in=ids).order_by().select_for_update(skip_locked=True).values_list("pk", flat=True))

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
        first, beyond = weeks_around({notification_id for notification_id, _ in pairs})
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
        first, beyond = weeks_around(ids)  # so that only the partitions of these are read
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
        self,
        claim_id: int,
        worker: str,
        upto: int,
        lease_seconds: float,
        notifications: Collection[UUID],
        others: Collection[int],
    ) -> dict[UUID, str] | None:
        """Declare that sends up to a position may start, and renew the lease, and those of its `others`.

        Return by notification id, of those of the group, why nothing of it must be sent after all ("cancelled",
        "paused"), or None if the claim is no longer this worker's.
        """
        asked_for = f"{{{','.join(map(str, notifications))}}}"
        values: dict[str, float | str | list[int]] = {
            "claim": claim_id, "worker": worker, "upto": upto, "lease": lease_seconds, "notifications": asked_for,
            "others": list(others),
        }  # fmt: skip
        with connections[self.db].cursor() as cursor:
            cursor.execute(_START_GROUP, values)
            rows = cursor.fetchall()
        return {row[0]: row[1] for row in rows if row[0] is not None} if rows else None


@cache
def _columns(model: type[models.Model], using: str) -> Sequence[Column]:
    """Return a table's columns; asked of Django, they take a third as long as the statement that writes one row."""
    connection = connections[using]
    return [
        Column(str(field.column), str(field.db_type(connection)), field.get_default())
        for field in model._meta.concrete_fields
    ]


def standing_of(delivery: Delivery) -> Standing:
    """Return a loaded delivery's standing; made once, since only `stand_at` and a fresh look move a loaded row."""
    values = delivery.__dict__
    kept: Standing | None = values.get(_KEPT)
    if kept is None:
        # Past Django's descriptors, which ask for each field whether it was loaded; where one was not, they are asked.
        loaded = values.keys() >= _FIELDS
        state, reason, *rest = _values(values) if loaded else _attributes(delivery)
        kept = values[_KEPT] = Standing(State(state), Reason(reason), *rest)
    return kept


def stand_at(delivery: Delivery, standing: Standing) -> None:
    """Let a loaded delivery stand where it was just recorded to stand; writes nothing."""
    delivery.__dict__.update(zip(STANDING_FIELDS, standing, strict=True))
    delivery.__dict__[_KEPT] = standing


def forget_standing(delivery: Delivery) -> None:
    """Let the standing be made anew: the loaded row may say something else now."""
    delivery.__dict__.pop(_KEPT, None)


_FIELDS = frozenset(STANDING_FIELDS)
_attributes = attrgetter(*STANDING_FIELDS)
_values = itemgetter(*STANDING_FIELDS)
_KEPT = "_standing"
