"""Collapse: a newer message with the same collapse key replaces an older one that was not sent yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q

from ..enums import TAKEN_STATES, Reason, State
from ..models import Delivery
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import ended
from .limits import limits_of
from .recheck import Facts

_ON_ITS_WAY = (State.SENDING, State.UNCERTAIN)
Slot = tuple[str, str, str, str, str]


def collapse(rows: Sequence[Delivery], facts: Facts) -> dict[UUID, Change]:
    """Return the changes of those deliveries that a newer one replaces, by id; one query, and none without keys.

    Newer counts when it was accepted later, for the same recipient, category, channel and address, and is due or on
    its way itself, and still of use: what has expired may never go out, and nothing would arrive. What was tried before
    is not replaced. In a category with a digest the key groups, and nothing is replaced.
    """
    asking = {row.pk: slot for row in rows if (slot := _slot(row, facts)) is not None}
    if not asking:
        return {}
    newest = _newest(rows, set(asking.values()), facts)
    return {
        row.pk: Change(row.pk, standing_of(row), ended(standing_of(row), State.SKIPPED, Reason.REPLACED, facts.now))
        for row in rows
        if row.pk in asking and newest[asking[row.pk]] > row.notification_id
    }


def _slot(row: Delivery, facts: Facts) -> Slot | None:
    notification = facts.notifications[row.notification_id]
    if not notification.collapse_key or row.attempt or limits_of(facts.category_of(row)).digest:
        return None
    return row.recipient, notification.category, row.channel, row.address, notification.collapse_key


def _newest(rows: Sequence[Delivery], slots: set[Slot], facts: Facts) -> dict[Slot, UUID]:
    recipients, categories, channels, _, keys = (set(column) for column in zip(*slots, strict=True))
    due = Q(state=State.PENDING, due_at__lte=facts.now)
    of_use = Q(expires_at=None) | Q(expires_at__gt=facts.now)
    found = Delivery.objects.filter(
        (due | Q(state__in=_ON_ITS_WAY)) & of_use | Q(state__in=TAKEN_STATES),
        recipient__in=recipients,
        channel__in=channels,
        notification__category__in=categories,
        notification__collapse_key__in=keys,
        notification__cancelled_at=None,
        notification_id__gt=min(row.notification_id for row in rows),
    )
    newest: dict[Slot, UUID] = defaultdict(lambda: UUID(int=0))
    for recipient, category, channel, address, key, notification_id in found.values_list(
        "recipient",
        "notification__category",
        "channel",
        "address",
        "notification__collapse_key",
        "notification_id",
    ):
        slot = (recipient, category, channel, address, key)
        newest[slot] = max(newest[slot], notification_id)
    return newest
