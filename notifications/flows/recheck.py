"""Re-check: between planning and sending, things change; look once more before anything goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from ..cipher import address_hash
from ..enums import HELD_STATUSES, BroadcastStatus, Reason, State
from ..models import Broadcast, Category, Delivery, Device, Notification, Suppression
from ..models.delivery_queries import standing_of
from ..rules.identity import UserKey, user_recipient
from ..rules.preferences import Wishes, is_wanted, is_wanted_on
from ..rules.quiet_hours import first_allowed, zone
from ..rules.standing import Change, Standing
from ..rules.transitions import ended, parked
from .people import load_wishes

# Parked rows of a paused broadcast come back when it is resumed, not by themselves.
PAUSED_FOR = timedelta(days=30)
# One that stopped itself goes on once somebody has looked.


class DeviceFacts(NamedTuple):
    """What is known of a device."""

    user_id: UserKey
    is_active: bool
    platform: str
    token_type: str
    address_hash: str


@dataclass(frozen=True)
class Facts:
    """What is known at the moment of claiming, read set-wise for the whole batch."""

    now: datetime
    notifications: Mapping[UUID, Notification] = field(default_factory=dict)
    categories: Mapping[str, Category] = field(default_factory=dict)
    broadcasts: Mapping[UUID, str] = field(default_factory=dict)
    devices: Mapping[UUID, DeviceFacts] = field(default_factory=dict)
    wishes: Mapping[str, Wishes] = field(default_factory=dict)
    suppressed: frozenset[tuple[str, str]] = frozenset()
    hashes: Mapping[UUID, str] = field(default_factory=dict)

    def category_of(self, row: Delivery) -> Category:
        """Return the category of a delivery."""
        return self.categories[self.notifications[row.notification_id].category]


def load_facts(rows: Sequence[Delivery], now: datetime) -> Facts:
    """Read what re-checking and composing these deliveries needs: a fixed number of queries."""
    ids = {row.notification_id for row in rows}
    notifications = Notification.objects.in_bulk(ids)
    keys = {row.device_id for row in rows if row.device_id}
    known = Device.objects.filter(pk__in=keys).values_list("pk", *DeviceFacts.__annotations__)
    # Values, not instances, which would take several times as long; and a device's hash need not be made anew.
    devices = {pk: DeviceFacts(*facts) for pk, *facts in known}
    hashes = {row.id: _hash_of(row, devices) for row in rows if row.address}
    return Facts(
        now=now,
        notifications=notifications,
        categories={
            item.slug: item
            for item in Category.objects.filter(slug__in={item.category for item in notifications.values()})
        },
        broadcasts=dict(Broadcast.objects.filter(notification_id__in=ids).values_list("notification_id", "status")),
        devices=devices,
        wishes=load_wishes([row.recipient for row in rows]),
        suppressed=frozenset(Suppression.objects.active_among(set(hashes.values()), now)),
        hashes=hashes,
    )


def _hash_of(row: Delivery, devices: Mapping[UUID, DeviceFacts]) -> str:
    """Return the hash of a delivery's address; a device never gets another address, so its own is the same."""
    device = devices.get(row.device_id) if row.device_id else None
    return device.address_hash if device is not None else address_hash(row.channel, row.address)


def recheck(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return the changes of those deliveries that must not be sent now, by id."""
    changes = {}
    for row in rows:
        before = standing_of(row)
        after = _verdict(row, before, facts)
        if after is not None:
            changes[row.id] = Change(row.id, before, after)
    return changes


def _verdict(row: Delivery, before: Standing, facts: Facts) -> Standing | None:
    notification = facts.notifications.get(row.notification_id)
    status = facts.broadcasts.get(row.notification_id)
    now = facts.now
    if notification is None or notification.cancelled_at or status == BroadcastStatus.CANCELLED:
        return ended(before, State.CANCELLED, Reason.NONE, now)
    if notification.category not in facts.categories:
        return ended(before, State.DEAD, Reason.MISCONFIGURED, now)
    if row.expires_at is not None and row.expires_at <= now:
        return ended(before, State.EXPIRED, Reason.TTL, now)
    if status in HELD_STATUSES:
        return parked(before, Reason.PAUSED, now + PAUSED_FOR)
    if row.device_id is not None and not _device_is_theirs(row, facts):
        return _unsendable(row, before, Reason.DEVICE_GONE, facts)
    if (row.channel, facts.hashes.get(row.id, "")) in facts.suppressed:
        return _unsendable(row, before, Reason.SUPPRESSION, facts)
    return _wishes_verdict(row, before, facts)


def _wishes_verdict(row: Delivery, before: Standing, facts: Facts) -> Standing | None:
    category = facts.category_of(row)
    wishes = facts.wishes.get(row.recipient)
    if wishes is None:
        return None
    mandatory = category.mandatory
    if not (
        is_wanted(wishes, category.slug, row.channel, mandatory=mandatory)
        and is_wanted_on(wishes, row.device_id, mandatory=mandatory)
    ):
        return ended(before, State.SKIPPED, Reason.PREFERENCE, facts.now)
    if mandatory or not wishes.quiet_hours:
        return None
    where = zone(row.time_zone) or ZoneInfo("UTC")
    allowed = first_allowed(facts.now, wishes.quiet_hours, where)
    if allowed <= facts.now:
        return None
    if row.expires_at is not None and allowed >= row.expires_at:
        return ended(before, State.EXPIRED, Reason.TTL, facts.now)
    return parked(before, Reason.QUIET_HOURS, allowed)


def _unsendable(row: Delivery, before: Standing, reason: Reason, facts: Facts) -> Standing:
    skipped = ended(before, State.SKIPPED, reason, facts.now)
    return skipped._replace(fallback_at=facts.now) if facts.category_of(row).fallback else skipped


def _device_is_theirs(row: Delivery, facts: Facts) -> bool:
    device = facts.devices.get(row.device_id) if row.device_id else None
    return device is not None and device.is_active and user_recipient(device.user_id) == row.recipient
