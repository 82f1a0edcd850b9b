"""Status: where a notification or a broadcast stands, derived from its deliveries and never stored twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Count, Max, Min, Q

from ..enums import REACHED_STATES, TAKEN_STATES, BroadcastStatus, NotificationStatus, Reason, State
from ..models import Broadcast, Delivery, Notification
from ..models.delivery_queries import DeliveryQuerySet
from ..rules.identity import bounds_of

_LATER = (Reason.SCHEDULED, Reason.QUIET_HOURS)


@dataclass(frozen=True)
class Counts:
    """How many deliveries of a broadcast stand where; `sent` and `delivered` are cumulative, `members` are people."""

    members: int = 0
    planned: int = 0
    waiting: int = 0
    sent: int = 0
    delivered: int = 0
    skipped: int = 0
    failed: int = 0
    dead: int = 0
    cancelled: int = 0
    expired: int = 0
    digested: int = 0
    uncertain: int = 0


@dataclass(frozen=True)
class Progress:
    """A broadcast's counts, its rate (the one asked for, else the one seen) and when it should be done."""

    counts: Counts
    per_second: float | None = None
    eta: datetime | None = None


def status_of(notification: Notification, deliveries: Sequence[Delivery]) -> NotificationStatus:
    """Return where a notification stands, given all its deliveries.

    `done` means that Carillon will do nothing more by itself; receipts may still come.
    """
    unfinished = [row for row in deliveries if State(row.state).is_open or row.fallback_at is not None]
    if unfinished:
        later = all(row.state == State.PENDING and row.reason in _LATER for row in unfinished)
        return NotificationStatus.SCHEDULED if later else NotificationStatus.IN_PROGRESS
    stopped = [row for row in deliveries if row.state == State.CANCELLED and row.reason != Reason.FALLBACK]
    if notification.cancelled_at is not None and (stopped or not deliveries):
        return NotificationStatus.CANCELLED
    return NotificationStatus.DONE


def deliveries_of(notification_id: UUID) -> DeliveryQuerySet:
    """Return a notification's deliveries; the bounds on the key let PostgreSQL read one partition, in key order."""
    return Delivery.objects.filter(_of(notification_id))


def _of(notification_id: UUID) -> Q:
    first, beyond = bounds_of([notification_id])
    return Q(notification_id=notification_id, pk__gte=first, pk__lt=beyond)


def progress_of(broadcasts: Iterable[Broadcast]) -> Mapping[UUID, Progress]:
    """Return the progress of these broadcasts by id: one statement, however many they are.

    One whose deliveries are past their retention keeps the counts that it had before.
    """
    made = list(broadcasts)
    rows = (
        Delivery.objects.filter(
            reduce(or_, (_of(item.notification_id) for item in made if item.outcome is None), Q(pk__in=())),
        )
        .order_by()
        .values("notification_id")
        .annotate(first_sent=Min("sent_at"), last_sent=Max("sent_at"), **_COUNTED)
    )
    found = {row["notification_id"]: row for row in rows}
    return {item.pk: _progress(item, found.get(item.notification_id, {})) for item in made}


def _in(*states: State) -> Count:
    return Count("pk", filter=Q(state__in=states))


_COUNTED = {
    "n_planned": Count("pk"),
    "n_waiting": _in(State.PENDING, State.SENDING),
    "n_sent": Count("pk", filter=Q(state__in=TAKEN_STATES) | Q(sent_at__isnull=False)),
    "n_delivered": Count("pk", filter=Q(state__in=REACHED_STATES) | Q(delivered_at__isnull=False)),
    "n_skipped": _in(State.SKIPPED),
    "n_failed": _in(State.FAILED, State.BOUNCED),
    "n_dead": _in(State.DEAD),
    "n_cancelled": _in(State.CANCELLED),
    "n_expired": _in(State.EXPIRED),
    "n_digested": _in(State.DIGESTED),
    "n_uncertain": _in(State.UNCERTAIN),
}


def _progress(made: Broadcast, row: Mapping[str, object]) -> Progress:
    if made.outcome is not None:
        return Progress(Counts(**made.outcome["counts"]), made.outcome["per_second"])
    numbers = {name.removeprefix("n_"): row.get(name, 0) for name in _COUNTED}
    counts = Counts(members=made.members, **numbers)  # type: ignore[arg-type]
    first, last = row.get("first_sent"), row.get("last_sent")
    rate = float(made.per_second) if made.per_second else None
    if rate is None and isinstance(first, datetime) and isinstance(last, datetime) and last > first:
        rate = round(counts.sent / (last - first).total_seconds(), 1) or None
    # An end can be named once everybody is planned, something went out, and nobody paused it.
    going_on = made.status == BroadcastStatus.SENDING
    known = going_on and made.planned_at is not None and made.finished_at is None and counts.waiting and rate
    eta = last + timedelta(seconds=counts.waiting / rate) if known and rate and isinstance(last, datetime) else None
    return Progress(counts, rate, eta)
