"""Timeline: everything that was asked for one recipient and what became of it, newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Prefetch, Q

from ..cipher import address_hash
from ..models import Delivery, Device, Notification, Suppression
from ..models.console_queries import ALWAYS, Line, history
from ..rules.identity import first_id_at, time_of, user_key
from .find import Somebody, hashes_of

MOST_NOTIFICATIONS = 50
_MOST_DELIVERIES = 300
_MOST_DEVICES = 50
_BEGINNING, _END = ALWAYS
_TIME_BITS = 80


@dataclass
class Entry:
    """One notification with this recipient's deliveries of it, or a refused request; `at` is when it was asked for."""

    at: datetime
    notification: Notification | None = None
    deliveries: list[tuple[Delivery, list[Line]]] = field(default_factory=list)
    refused: Line | None = None


@dataclass(frozen=True)
class Timeline:
    """One page of a recipient's timeline, and what holds for the recipient today."""

    entries: tuple[Entry, ...]
    devices: tuple[Device, ...]
    suppressions: tuple[Suppression, ...]
    older: int | None


def timeline(
    person: Somebody, *, before: int | None = None, message: UUID | None = None, since: datetime | None = None
) -> Timeline:
    """Return a page of what was asked for a recipient; it begins below `before`, or at the message that was looked for.

    Nothing older than `since` is on it, unless a message was looked for. Six statements; `older` is where the next page
    begins.
    """
    if before is None and message is not None:
        before = (message.int >> _TIME_BITS) + 1
    if before is not None and not 0 < before < _END.timestamp() * 1000:
        before = None
    floor = since if since is not None and message is None else _BEGINNING
    rows, older = _page(person.recipient, before, floor)
    entries = _entries(rows)
    since = time_of(rows[-1].pk) if rows and older is not None else floor
    until = datetime.fromtimestamp(before / 1000, tz=UTC) if before else _END
    lines: dict[UUID | None, list[Line]] = defaultdict(list)
    for line in history([row.pk for row in rows], person.recipient, (since, until)):
        lines[line.delivery_id].append(line)
    for entry in entries:
        entry.deliveries = [(row, lines[row.pk]) for row, _ in entry.deliveries]
    entries += [Entry(at=line.at, refused=line) for line in lines[None]]
    devices = _devices(person.recipient)
    hashes = {*hashes_of(person), *(device.address_hash for device in devices)}
    hashes |= {address_hash(row.channel, row.address) for row in rows if row.address and row.device_id is None}
    suppressions = Suppression.objects.in_force().filter(address_hash__in=hashes).order_by("-pk")[:_MOST_DEVICES]
    return Timeline(
        entries=tuple(sorted(entries, key=lambda entry: entry.at, reverse=True)),
        devices=tuple(devices),
        suppressions=tuple(suppressions),
        older=older,
    )


def _page(recipient: str, before: int | None, floor: datetime) -> tuple[list[Delivery], int | None]:
    """Return a page of deliveries that never parts those of one moment, and where the next one begins."""
    within = Q(pk__lt=UUID(int=before << _TIME_BITS)) if before else Q()
    if floor > _BEGINNING:
        within &= Q(pk__gte=first_id_at(floor))
    plain = Notification.objects.defer("secrets")
    found = Delivery.objects.filter(within, recipient=recipient).order_by("-pk")
    rows = list(found.prefetch_related(Prefetch("notification", plain))[: _MOST_DELIVERIES + 1])
    moments = list(dict.fromkeys(row.pk.int >> _TIME_BITS for row in rows))
    whole = moments[:-1] if len(rows) > _MOST_DELIVERIES and len(moments) > 1 else moments
    kept = set(whole[:MOST_NOTIFICATIONS])
    shown = [row for row in rows if row.pk.int >> _TIME_BITS in kept]
    return shown, min(kept) if len(shown) < len(rows) else None


def _entries(rows: Sequence[Delivery]) -> list[Entry]:
    found: dict[UUID, Entry] = {}
    for row in rows:
        entry = found.get(row.notification_id)
        if entry is None:
            notification = row._state.fields_cache.get("notification")
            entry = found[row.notification_id] = Entry(at=time_of(row.notification_id), notification=notification)
        entry.deliveries.append((row, []))
    for entry in found.values():
        entry.deliveries.sort(key=lambda pair: (pair[0].step, pair[0].channel, pair[0].pk))
    return list(found.values())


def _devices(recipient: str) -> list[Device]:
    key: Any = user_key(recipient)
    if key is None:
        return []
    try:
        rows = Device.objects.filter(user=key)
    except (ValueError, TypeError, ValidationError):
        return []
    return list(rows.order_by("-is_active", "-last_seen_at")[:_MOST_DEVICES])
