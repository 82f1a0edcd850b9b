"""The SQL that works on the rest of the log: what may be deleted, and what hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db import connections, models

from ..enums import OPEN_STATES, BroadcastStatus, State
from ..rules.identity import first_id_at, time_of
from . import accept_queries

if TYPE_CHECKING:
    from .log import DeliveryEvent, Notification  # noqa: F401 - QuerySet names them in quotes

_OVER = (BroadcastStatus.DONE, BroadcastStatus.CANCELLED)
# Three questions instead of one with OR, since each has an index of its own that holds only such rows. What bounds
# the ids of notifications bounds those of their deliveries: PostgreSQL leaves all later partitions out.
_OUTLIVED = """
    SELECT n.id, n.digest_id FROM carillon_notification n
    WHERE n.category = %(category)s AND n.id > %(after)s AND n.id < %(before)s
      AND (n.send_at IS NULL OR n.send_at < %(since)s)
      AND NOT EXISTS (SELECT 1 FROM carillon_delivery d
                      WHERE d.notification_id = n.id AND d.id < %(before)s AND d.state = ANY(%(open)s))
      AND NOT EXISTS (SELECT 1 FROM carillon_delivery d
                      WHERE d.notification_id = n.id AND d.id < %(before)s AND d.state = %(dead)s)
      AND NOT EXISTS (SELECT 1 FROM carillon_delivery d
                      WHERE d.notification_id = n.id AND d.id < %(before)s AND d.fallback_at IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM carillon_broadcast b
                      WHERE b.notification_id = n.id AND b.status <> ALL(%(over)s))
    ORDER BY n.id LIMIT %(limit)s
"""
_SKEW = timedelta(days=1)


class Outlived(NamedTuple):
    """A notification whose retention is over, and the digest that it is, if it is one."""

    pk: UUID
    digest_id: UUID | None


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Notifications, by what they are asked."""

    def store(self, rows: Sequence[accept_queries.Keyed]) -> set[UUID]:
        """Insert notifications with their idempotency keys; return the ids of those whose key was still unused."""
        return accept_queries.store(self.db, rows)

    def outlived(self, category: str, since: datetime, after: UUID, limit: int) -> list[Outlived]:
        """Return notifications of before `since` that are over in every respect, oldest first, behind `after`.

        A dead letter waits for a person, a fallback or a broadcast may still add deliveries: such ones are not over.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                _OUTLIVED,
                {
                    "category": category,
                    "after": after,
                    "before": first_id_at(since),
                    "since": since,
                    "open": [state.value for state in OPEN_STATES],
                    "dead": State.DEAD.value,
                    "over": [status.value for status in _OVER],
                    "limit": limit,
                },
            )
            return [Outlived(*row) for row in cursor.fetchall()]


class DeliveryEventQuerySet(models.QuerySet["DeliveryEvent"]):
    """Delivery events, by what they are asked."""

    def of(self, deliveries: Sequence[UUID], now: datetime) -> DeliveryEventQuerySet:
        """Return what happened to deliveries, asking no partition in which it cannot lie.

        An event's id begins with its own time, by the clock of whoever wrote it: a day allows for those that are wrong.
        """
        first = time_of(min(deliveries)) if deliveries else now
        return self.filter(
            delivery_id__in=deliveries, pk__gte=first_id_at(first - _SKEW), pk__lt=first_id_at(now + _SKEW)
        )
