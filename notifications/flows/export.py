"""Export: everything that is kept about one user, in their hands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from ..models import (
    Delivery,
    DeliveryEvent,
    Device,
    Digest,
    Notification,
    RefusedRequest,
    Suppression,
    ThrottleWindow,
    TopicSubscription,
)
from ..rules.identity import UserKey, user_recipient
from .people import load_people
from .preferences import read_preferences


def export(user_key: UserKey) -> dict[str, object]:
    """Return what is kept about a user: a fixed number of queries, and never what was declared sensitive."""
    recipient = user_recipient(user_key)
    deliveries = list(Delivery.objects.filter(recipient=recipient).order_by("pk"))
    devices = list(Device.objects.filter(user=user_key).order_by("created_at", "pk"))
    return {
        "recipient": recipient,
        "preferences": read_preferences(recipient),
        "devices": [_device(row) for row in devices],
        "topics": sorted(TopicSubscription.objects.filter(user=user_key).values_list("topic__slug", flat=True)),
        "suppressions": _suppressions(user_key, devices),
        "notifications": _notifications(deliveries),
        "digests": _digests(recipient),
        "throttle_windows": _windows(recipient),
        "refused_requests": [
            {"template": row.template, "reason": row.reason, "detail": row.detail, "created_at": row.created_at}
            for row in RefusedRequest.objects.filter(recipient=recipient).order_by("pk")
        ],
    }


def address_hashes(user_key: UserKey, devices: Iterable[Device]) -> set[str]:
    """Return the hashes of a user's addresses: of every device, active or not, and of the field paths."""
    people = load_people([user_recipient(user_key)])
    return {row.address_hash for row in devices} | {target.address_hash for who in people for target in who.targets}


def _device(row: Device) -> dict[str, object]:
    names = (
        "channel",
        "platform",
        "token_type",
        "address",
        "locale",
        "time_zone",
        "is_active",
        "deactivated_reason",
        "created_at",
        "last_seen_at",
    )
    return {"id": row.pk, **{name: getattr(row, name) for name in names}}


def _suppressions(user_key: UserKey, devices: list[Device]) -> list[Mapping[str, Any]]:
    hashes = address_hashes(user_key, devices)
    return list(
        Suppression.objects.filter(address_hash__in=hashes)
        .order_by("pk")
        .values("channel", "cause", "source", "created_at", "expires_at", "lifted_at", "lifted_reason")
    )


def _digests(recipient: str) -> list[dict[str, object]]:
    """Return what was or is being gathered, by the ids under which it is among the notifications."""
    return [
        {
            "category": row.category,
            "channel": row.channel,
            "due_at": row.due_at,
            "notification": row.notification_id,
            "gathered": [item.notification_id for item in row.items.all()],
        }
        for row in Digest.objects.filter(recipient=recipient).order_by("pk").prefetch_related("items")
    ]


def _windows(recipient: str) -> list[dict[str, object]]:
    return [
        {"category": row.category, "channel": row.channel, "ends_at": row.ends_at, "admitted": list(row.admitted)}
        for row in ThrottleWindow.objects.filter(recipient=recipient).order_by("pk")
    ]


def _notifications(deliveries: list[Delivery]) -> list[dict[str, object]]:
    events: dict[object, list[dict[str, object]]] = {}
    for event in DeliveryEvent.objects.filter(delivery_id__in=[row.pk for row in deliveries]).order_by("pk"):
        line = {"at": event.at, "state": event.state, "reason": event.reason, "detail": event.detail}
        events.setdefault(event.delivery_id, []).append(line)
    parts: dict[UUID, list[dict[str, object]]] = {}
    own: dict[object, dict[str, object]] = {}
    for row in deliveries:
        own.setdefault(row.notification_id, {}).update(row.data or {})
        parts.setdefault(row.notification_id, []).append(
            {
                "id": row.pk,
                "channel": row.channel,
                "address": row.address,
                "state": row.state,
                "reason": row.reason,
                "sent_at": row.sent_at,
                "delivered_at": row.delivered_at,
                "events": events.get(row.pk, []),
            }
        )
    return [
        {
            "id": item.pk,
            "template": item.template,
            "created_at": item.created_at,
            "data": {**item.data, **own.get(item.pk, {})},
            "deliveries": parts.get(item.pk, []),
        }
        for item in Notification.objects.filter(pk__in=list(parts)).order_by("pk")
    ]
