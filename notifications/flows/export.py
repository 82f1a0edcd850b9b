"""Export: everything that is kept about one recipient, in their hands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from ..models import AddressTrouble, Delivery, DeliveryEvent, Device, Digest, Notification, Suppression, ThrottleWindow
from .belongings import beside, hashes_of, listed_in, places_of, receipts_of, rows_of
from .preferences import read_preferences


def export(recipient: str) -> dict[str, object]:
    """Return what is kept about a recipient: a fixed number of queries, and never what was declared sensitive."""
    places = places_of(recipient)
    hashes = hashes_of(places)
    rows = rows_of(recipient, hashes)
    deliveries = list(rows["deliveries"].order_by("pk"))
    return {
        "recipient": recipient,
        "preferences": read_preferences(recipient),
        "devices": [_device(row) for row in rows["devices"].order_by("created_at", "pk")],
        "topics": sorted(rows["topics"].values_list("topic__slug", flat=True)),
        "suppressions": _suppressions(hashes),
        "addresses_in_trouble": list(
            AddressTrouble.objects.filter(address_hash__in=hashes)
            .order_by("pk")
            .values("channel", "count", "first_at", "last_at")
        ),
        "notifications": _notifications(recipient, deliveries),
        "receipts": _receipts(recipient, hashes),
        "broadcasts": list(listed_in(recipient, places).order_by("pk").values_list("pk", flat=True)),
        "left_out": list(rows["left_out"].order_by("pk").values("broadcast", "error", "at")),
        "digests": _digests(recipient),
        "throttle_windows": _windows(rows["throttles"], {row.notification_id for row in deliveries}),
        "refused_requests": [
            {"template": row.template, "reason": row.reason, "detail": row.detail, "created_at": row.created_at}
            for row in rows["refused_requests"].order_by("pk")
        ],
    }


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


def _suppressions(hashes: Collection[str]) -> list[Mapping[str, Any]]:
    return list(
        Suppression.objects.filter(address_hash__in=hashes)
        .order_by("pk")
        .values("channel", "cause", "source", "created_at", "expires_at", "lifted_at", "lifted_reason")
    )


def _receipts(recipient: str, hashes: set[str]) -> list[dict[str, object]]:
    """Return what providers told; a callback that told of others as well is not handed out in their words."""
    rows = list(receipts_of(recipient, hashes).order_by("pk"))
    shared = set(beside(rows).values_list("provider", "received_at"))
    names = ("provider", "kind", "address", "code", "detail", "occurred_at", "received_at")
    return [
        {
            "delivery": row.delivery_id,
            **{name: getattr(row, name) for name in names},
            "raw": None if (row.provider, row.received_at) in shared else row.raw,
        }
        for row in rows
    ]


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


def _windows(windows: QuerySet[ThrottleWindow], theirs: Collection[UUID]) -> list[dict[str, object]]:
    """Return throttle windows with what of theirs they admitted: somebody else's codes may go to the same phone."""
    return [
        {
            "category": row.category,
            "channel": row.channel,
            "ends_at": row.ends_at,
            "admitted": [identity for identity in row.admitted if identity in theirs],
        }
        for row in windows.order_by("pk")
    ]


def _notifications(recipient: str, deliveries: list[Delivery]) -> list[dict[str, object]]:
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
            "addresses": item.addresses,
            "data": {**item.data, **own.get(item.pk, {})},
            "deliveries": parts.get(item.pk, []),
        }
        for item in Notification.objects.filter(Q(pk__in=list(parts)) | Q(recipient=recipient)).order_by("pk")
    ]
