"""Status: where a notification or a broadcast stands, derived from its deliveries and their tallies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Count, Q
from django.db.models.functions import Now

from ..enums import REACHED_STATES, TAKEN_STATES, BroadcastStatus, NotificationStatus, Reason, State
from ..models import Broadcast, Delivery, Notification, Tally
from ..models.delivery_queries import DeliveryQuerySet
from ..models.tally import Tallied
from ..rules.identity import bounds_of

#: What went out in this time tells the rate and the end of what goes on.
_LATE = timedelta(minutes=1)
_SLOT_SECONDS = 10
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
    complaints: int = 0


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
    """Return the progress of these broadcasts by id: one statement, however many they are and however large.

    One whose deliveries are past their retention keeps the counts that it had before. One of a release without
    tallies is counted row by row, in another statement, until the sweeper has tallied it.
    """
    made = list(broadcasts)
    now, told = Tally.objects.of_broadcasts([item.notification_id for item in made if item.outcome is None], _LATE)
    if old := [item for item in made if item.outcome is None and not item.tallied]:
        told.update({item.notification_id: Tallied() for item in old} | _counted(old))
    return {item.pk: _progress(item, told.get(item.notification_id), now) for item in made}


def _counted(made: Sequence[Broadcast]) -> dict[UUID, Tallied]:
    """Count the rows of these broadcasts, each of which may have a million."""
    sent = Count("pk", filter=Q(state__in=TAKEN_STATES) | Q(sent_at__isnull=False))
    delivered = Count("pk", filter=Q(state__in=REACHED_STATES) | Q(delivered_at__isnull=False))
    late = Count("pk", filter=Q(sent_at__gte=Now() - _LATE))
    rows = (
        Delivery.objects.filter(reduce(or_, (_of(item.notification_id) for item in made)))
        .order_by()
        .values_list("notification_id", "state")
        .annotate(held=Count("pk"), n_sent=sent, n_delivered=delivered, n_late=late)
    )
    found: dict[UUID, Tallied] = {}
    for key, state, *numbers in rows:
        found[key] = found.get(key, Tallied()).plus(state, *numbers)
    return found


def _progress(made: Broadcast, told: Tallied | None, now: datetime) -> Progress:
    if made.outcome is not None:
        return Progress(Counts(**made.outcome["counts"]), made.outcome["per_second"])
    told = told or Tallied()
    counts, complaints = _counts(made, told), told.states.get(State.COMPLAINED, 0)
    rate = float(made.per_second) if made.per_second else _rate(made, told, now)
    # An end can be named once everybody is planned, something went out, and nobody paused it.
    going_on = made.status == BroadcastStatus.SENDING and made.planned_at is not None and made.finished_at is None
    if not (going_on and rate and counts.sent and counts.waiting):
        return Progress(counts, rate, complaints=complaints)
    return Progress(counts, rate, now + timedelta(seconds=counts.waiting / rate), complaints)


def _counts(made: Broadcast, told: Tallied) -> Counts:
    def held(*states: State) -> int:
        return sum(told.states.get(state, 0) for state in states)

    return Counts(
        members=made.members,
        planned=sum(told.states.values()),
        waiting=held(State.PENDING, State.SENDING),
        sent=told.sent,
        delivered=told.delivered,
        skipped=held(State.SKIPPED),
        failed=held(State.FAILED, State.BOUNCED),
        dead=held(State.DEAD),
        cancelled=held(State.CANCELLED),
        expired=held(State.EXPIRED),
        digested=held(State.DIGESTED),
        uncertain=held(State.UNCERTAIN),
    )


def _rate(made: Broadcast, told: Tallied, now: datetime) -> float | None:
    """Return how many go out in a second: of late while it goes on, else all in all."""
    begin = made.started_at or made.created_at
    if made.finished_at is not None:
        count, seconds = told.sent, (made.finished_at - begin).total_seconds()
    else:
        # Tallies are by slots: the oldest that lies wholly within this time begins up to ten seconds later.
        oldest = now - _LATE + timedelta(seconds=-(now.timestamp() - _LATE.total_seconds()) % _SLOT_SECONDS)
        count, seconds = told.sent_of_late, (now - max(begin, oldest)).total_seconds()
    return round(count / seconds, 1) or None if seconds > 0 else None
