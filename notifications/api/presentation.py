"""Presentation: what the API says of notifications, broadcasts and devices; never a variable or a whole address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ..channels import SPECS
from ..enums import Channel, Reason, State
from ..flows.status import Counts, Progress, status_of
from ..models import Broadcast, Delivery, Device, LeftOut, Notification
from ..rules.explanations import explain
from ..rules.identity import user_key

MOST_DELIVERIES = 50
#: Fields in the order in which the document lists them, which is that of every answer.
NOTIFICATION_FIELDS = ("id", "status", "template", "created_at", "deliveries")
DELIVERY_FIELDS = (
    *("id", "channel", "device", "state", "reason", "explanation"),
    *("possible_duplicate", "provider", "attempt", "due_at", "updated_at"),
)
BROADCAST_FIELDS = (
    *("id", "status", "template", "counts", "left_out", "stopped_for", "per_second"),
    *("eta", "send_at", "created_at", "finished_at"),
)
COUNT_FIELDS = tuple(Counts.__dataclass_fields__)


def moment(value: datetime | None) -> str | None:
    """Return a time in UTC as text."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def present_notification(notification: Notification, deliveries: Sequence[Delivery]) -> dict[str, object]:
    """Return a notification with its first deliveries; `deliveries` are all that it has."""
    return {
        "id": str(notification.pk),
        "status": status_of(notification, deliveries).value,
        "template": notification.template,
        "created_at": moment(notification.created_at),
        "deliveries": [present_delivery(row) for row in deliveries[:MOST_DELIVERIES]],
    }


def present_delivery(row: Delivery) -> dict[str, object]:
    """Return where a delivery stands and why."""
    return {
        "id": str(row.pk),
        "channel": str(row.channel),
        "device": str(row.device_id) if row.device_id else None,
        "state": str(row.state),
        "reason": str(row.reason),
        "explanation": explain(State(row.state), Reason(row.reason), maybe_sent=row.maybe_sent),
        "possible_duplicate": row.possible_duplicate,
        "provider": row.provider or None,
        "attempt": row.attempt,
        "due_at": moment(row.due_at),
        "updated_at": moment(row.updated_at),
    }


def present_broadcast(made: Broadcast, template: str, progress: Progress) -> dict[str, object]:
    """Return a broadcast with its counts; `counts.members` are people, the rest deliveries."""
    return {
        "id": str(made.pk),
        "status": str(made.status),
        "template": template,
        "counts": asdict(progress.counts),
        "left_out": made.problems,
        "stopped_for": made.stopped_for or None,
        "per_second": progress.per_second,
        "eta": moment(progress.eta),
        "send_at": moment(made.send_at),
        "created_at": moment(made.created_at),
        "finished_at": moment(made.finished_at),
    }


def present_left_out(row: LeftOut) -> dict[str, object]:
    """Return who was left out of a broadcast; of the error only its kind."""
    return {"user": str(user_key(row.recipient) or ""), "error": row.error, "at": moment(row.at)}


def present_device(device: Device) -> dict[str, object]:
    """Return a device; of its address only what the channel's mask leaves."""
    return {
        "id": str(device.pk),
        "channel": device.channel,
        "platform": device.platform,
        "token_type": device.token_type,
        "address": SPECS[Channel(device.channel)].mask(device.address),
        "locale": device.locale,
        "time_zone": device.time_zone,
        "is_active": device.is_active,
        "deactivated_reason": device.deactivated_reason,
        "last_seen_at": moment(device.last_seen_at),
    }


def in_order(response: object) -> object:
    """Return a first response with its fields in their order, which jsonb does not keep: a repeat is the same bytes.

    Fields that are not known, as an earlier version may have stored them, come last, by name.
    """
    if not isinstance(response, Mapping):
        return response
    if "counts" in response:
        return {**_ordered(response, BROADCAST_FIELDS), "counts": _ordered(response["counts"], COUNT_FIELDS)}
    deliveries = [_ordered(row, DELIVERY_FIELDS) for row in response.get("deliveries", ())]
    return {**_ordered(response, NOTIFICATION_FIELDS), "deliveries": deliveries}


def _ordered(values: Mapping[str, object], order: Sequence[str]) -> dict[str, object]:
    names = [*(name for name in order if name in values), *sorted(values.keys() - set(order))]
    return {name: values[name] for name in names}


def by_notification(rows: Sequence[Delivery]) -> Mapping[object, list[Delivery]]:
    """Return deliveries by their notification's id."""
    found: dict[object, list[Delivery]] = {}
    for row in rows:
        found.setdefault(row.notification_id, []).append(row)
    return found
