"""Receive from a phone: store that a push message arrived or was opened, as its signed token says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

from ..enums import ReceiptKind
from ..messages import ReceiptEvent
from ..models import Delivery, DeliveryEvent
from ..rules.receipt_tokens import read_receipt_token
from .receive import store

#: What a phone may report.
EVENTS = {"delivered": ReceiptKind.DELIVERED, "opened": ReceiptKind.OPENED}


def receive_from_phone(token: str, event: str) -> bool:
    """Store what a phone reports, once, and ask a worker to reconcile it; return False if the token opens nothing.

    It is looked for only after the signature: a flood of invented tokens asks the database nothing.
    """
    named = read_receipt_token(token, datetime.now(UTC))
    if named is None:
        return False
    found = Delivery.objects.filter(pk=named.delivery_id).values_list("provider", "channel").first()
    if found is None:
        return False  # past its retention, or erased
    provider, channel = found[0] or _carried_by(named.delivery_id), found[1]
    number = f"g{named.generation}" if named.attempt is None else str(named.attempt)
    carillon_id = f"{named.delivery_id}.{number}"
    told = ReceiptEvent(EVENTS[event], f"phone:{carillon_id}:{event}", carillon_id=carillon_id, code="phone")
    store(provider, channel, [told], json.dumps({"event": event}))
    return True


def _carried_by(delivery_id: UUID) -> str:
    """Return the provider of the latest attempt, which a row that waits to be replayed does not name."""
    events = DeliveryEvent.objects.filter(delivery=delivery_id).exclude(provider="")
    return events.order_by("-pk").values_list("provider", flat=True).first() or ""
