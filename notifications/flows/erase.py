"""Erase: forget one user. What must not be written to stays suppressed, as a hash that nobody can read back."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from ..models import (
    AuditEntry,
    Delivery,
    DeliveryEvent,
    Device,
    Digest,
    Notification,
    Preference,
    Receipt,
    RefusedRequest,
    Suppression,
    ThrottleWindow,
    TopicSubscription,
)
from ..rules.identity import UserKey, user_recipient
from .export import address_hashes

_BATCH = 1_000


def erase(user_key: UserKey, *, actor: str) -> dict[str, int]:
    """Delete what is kept about a user and return how many rows of what that were; safe to repeat.

    What waits is thereby never sent; a message that a provider is taking at this moment cannot be recalled. The
    host's own user row is the host's to delete. Keys of requests stay, so that a late repeat notifies nobody.
    """
    recipient = user_recipient(user_key)
    hashes = address_hashes(user_key, Device.objects.filter(user=user_key))
    done = {
        "devices": Device.objects.filter(user=user_key).delete()[0],
        "topics": TopicSubscription.objects.filter(user=user_key).delete()[0],
        "preferences": Preference.objects.filter(pk=recipient).delete()[0],
        "refused_requests": RefusedRequest.objects.filter(recipient=recipient).delete()[0],
        "digests": Digest.objects.filter(recipient=recipient).delete()[0],
        "throttles": ThrottleWindow.objects.filter(recipient=recipient).delete()[0],
        "deliveries": _erase_deliveries(Delivery.objects.filter(recipient=recipient)),
        "notifications": Notification.objects.filter(recipient=recipient).delete()[0],
    }
    Receipt.objects.filter(address_hash__in=hashes).delete()
    Suppression.objects.filter(address_hash__in=hashes).update(hint="")
    AuditEntry.objects.create(actor=actor, action="erase", subject=recipient, done=sum(done.values()), detail=done)
    return done


def _erase_deliveries(mine: QuerySet[Delivery]) -> int:
    done = 0
    while True:
        with transaction.atomic():
            keys: list[UUID] = list(mine.order_by("pk").values_list("pk", flat=True)[:_BATCH])
            if not keys:
                return done
            DeliveryEvent.objects.filter(delivery_id__in=keys).delete()
            Receipt.objects.filter(delivery_id__in=keys).delete()
            done += Delivery.objects.filter(pk__in=keys).delete()[0]
