"""Drafts: what one would mean, its launch with a minute to think again, and how it becomes a draft again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from ..enums import BroadcastStatus
from ..exceptions import WrongStatus
from ..models import Broadcast, Delivery, Notification
from .estimate import Estimate, estimate
from .launch import BroadcastRequest
from .newer_words import take_version
from .operate import By, audit

#: How long a launch from the console can be taken back before anything is planned.
GRACE = timedelta(seconds=60)


def estimate_draft(made: Broadcast, notification: Notification) -> Estimate:
    """Return what a stored broadcast would mean if it was launched now.

    Raises:
        RequestRejected: it cannot be launched any more as it was drafted.
    """
    return estimate(
        BroadcastRequest(
            template=notification.template,
            audience=made.audience,
            data=notification.data,
            exclude=made.exclude,
            channels=tuple(notification.channels),
        )
    )


def launch_later(
    broadcast_id: UUID,
    by: By,
    *,
    expected: int | None = None,
    version: int | str | None = None,
    grace: timedelta = GRACE,
) -> Broadcast:
    """Launch a draft so that nothing is planned before `grace` is over: until then it can be taken back.

    `expected` is how many people were counted; `version` the words to send instead of those it was drafted with.

    Raises:
        WrongStatus: it is no draft (any more).
        InvalidData: the version cannot be sent instead.
    """
    with transaction.atomic():
        made = Broadcast.objects.select_for_update().get(pk=broadcast_id)
        if made.status != BroadcastStatus.DRAFT:
            raise WrongStatus(f"A broadcast that is {made.status} cannot be launched.")
        if version is not None:
            take_version(made, version)
        notification = Notification.objects.get(pk=made.notification_id)
        earliest = Delivery.objects.database_now() + grace
        begins = max(made.send_at or earliest, earliest)
        _begin_at(made, notification, begins)
        made.status, made.expected = BroadcastStatus.SCHEDULED, expected
        made.save(update_fields=["status", "send_at", "expected"])
        audit(by, "launch_broadcast", subject=str(made.pk), planned=expected, before="draft", after="scheduled")
    return made


def take_back(broadcast_id: UUID, by: By) -> Broadcast:
    """Make a draft again of a broadcast of which nothing is planned yet, with the time and words it was drafted with.

    Raises:
        WrongStatus: it is not scheduled, or has begun.
    """
    with transaction.atomic():
        made = Broadcast.objects.select_for_update().get(pk=broadcast_id)
        if made.status != BroadcastStatus.SCHEDULED or made.started_at is not None:
            raise WrongStatus(f"A broadcast that is {made.status} cannot be taken back: pause or cancel it.")
        notification = Notification.objects.get(pk=made.notification_id)
        _begin_at(made, notification, notification.send_at)
        notification.unsent_version = None
        notification.save(update_fields=["unsent_version"])
        made.status, made.expected = BroadcastStatus.DRAFT, None
        made.save(update_fields=["status", "send_at", "expected"])
        audit(by, "take_back_broadcast", subject=str(made.pk), before="scheduled", after="draft")
    return made


def _begin_at(made: Broadcast, notification: Notification, begins: datetime | None) -> None:
    """Move when a broadcast begins; its messages live as long as before, counted from then."""
    created = notification.created_at
    before = max(created, made.send_at or created)
    if notification.expires_at is not None:
        notification.expires_at += max(created, begins or created) - before
        notification.save(update_fields=["expires_at"])
    made.send_at = begins
