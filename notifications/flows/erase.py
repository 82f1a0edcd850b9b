"""Erase: forget one recipient. What must not be written to stays suppressed, as a hash that nobody can read back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from ..enums import BroadcastStatus, Reason, State
from ..models import (
    AddressTrouble,
    AuditEntry,
    Broadcast,
    Delivery,
    DeliveryEvent,
    Preference,
    Receipt,
    Suppression,
)
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import ended
from .belongings import (
    Place,
    beside,
    has_account,
    hashes_of,
    listed_in,
    listings_of,
    owner_key,
    places_of,
    receipts_of,
    rows_of,
)
from .record import record

_BATCH = 1_000
_OVER = (BroadcastStatus.SENDING, BroadcastStatus.DONE, BroadcastStatus.CANCELLED)


def erase(recipient: str, *, actor: str) -> dict[str, int]:
    """Delete what is kept about a recipient and return how many rows of what that were; safe to repeat.

    What waits is thereby never sent; a message that a provider is taking at this moment cannot be recalled. The
    host's own user row is the host's to delete; while it is there, what its user switched off stays off. Keys of
    requests stay, so that a late repeat notifies nobody.
    """
    # Addresses first: once devices and deliveries are gone, nobody knows any more which they were.
    places = places_of(recipient)
    rows = rows_of(recipient, hashes_of(places))
    deliveries, preferences = rows.pop("deliveries"), rows.pop("preferences")
    done = {
        **_forget_addresses(recipient, places),
        "broadcasts": _strike(recipient, places),
        "preferences": _erase_preferences(preferences, keeps=has_account(recipient)),
        "deliveries": _erase_deliveries(deliveries),
        **{name: _delete(found) for name, found in rows.items()},
    }
    AuditEntry.objects.create(actor=actor, action="erase", subject=recipient, done=sum(done.values()), detail=done)
    return done


def foresee_erasure(recipient: str) -> dict[str, int]:
    """Return what `erase` would return now; nothing is written."""
    places, keeps = places_of(recipient), has_account(recipient)
    hashes = hashes_of(places)
    rows = rows_of(recipient, hashes)
    preferences = rows.pop("preferences")
    return {
        "receipts": receipts_of(recipient, hashes).count(),
        "addresses_in_trouble": AddressTrouble.objects.filter(address_hash__in=hashes).count(),
        "suppression_hints": _hinted(hashes).count(),
        "broadcasts": listed_in(recipient, places).count(),
        "preferences": sum(_bare(row, keeps=keeps) is not row for row in preferences),
        **{name: found.count() for name, found in rows.items()},
    }


def _forget_addresses(recipient: str, places: Collection[Place]) -> dict[str, int]:
    hashes = hashes_of(places)
    with transaction.atomic():
        receipts = list(receipts_of(recipient, hashes).only("pk", "received_at"))
        # A callback may tell of many people at once, and each of its receipts has the whole of it.
        beside(receipts).exclude(raw="").update(raw="")
        return {
            "receipts": _delete(Receipt.objects.filter(pk__in=[row.pk for row in receipts])),
            "addresses_in_trouble": _delete(AddressTrouble.objects.filter(address_hash__in=hashes)),
            "suppression_hints": _hinted(hashes).update(hint=""),
        }


def _hinted(hashes: Collection[str]) -> QuerySet[Suppression]:
    return Suppression.objects.filter(address_hash__in=hashes).exclude(hint="")


def _strike(recipient: str, places: Collection[Place]) -> int:
    """Take a user out of the lists of broadcasts, and return how many those were."""
    wanted, names = listings_of(recipient, places)
    keys = list(Broadcast.objects.filter(wanted).values_list("pk", flat=True))
    for key in keys:  # one at a time: a list may be long, and whoever plans the broadcast waits
        with transaction.atomic():
            made = Broadcast.objects.select_for_update().get(pk=key)
            made.audience = _without(made.audience, names)
            made.exclude = _without(made.exclude, names)
            made.save(update_fields=["audience", "exclude"])
    # Where planning is through, the key of the last one planned is of no use.
    Broadcast.objects.filter(cursor=str(owner_key(recipient)), status__in=_OVER).update(cursor="")
    return len(keys)


def _without(audience: Any, names: Collection[str]) -> Any:
    if not isinstance(audience, dict) or "users" not in audience:
        return audience
    return {**audience, "users": [value for value in audience["users"] if str(value) not in names]}


def _erase_preferences(mine: QuerySet[Preference], *, keeps: bool) -> int:
    with transaction.atomic():
        for row in mine.select_for_update():
            bare = _bare(row, keeps=keeps)
            if bare is None:
                row.delete()
            elif bare is not row:
                bare.save()
            else:
                return 0
            return 1
    return 0


def _bare(row: Preference, *, keeps: bool) -> Preference | None:
    """Return a preference with nothing but what it switches off: the row itself if it is so, None if that is nothing.

    Devices are erased, and their switches with them; without a host's user there is nobody to be written to.
    """
    channels = {name: on for name, on in row.channels.items() if on is False}
    categories = {slug: {name: on for name, on in own.items() if on is False} for slug, own in row.categories.items()}
    categories = {slug: own for slug, own in categories.items() if own}
    if not keeps or not (channels or categories):
        return None
    bare = Preference(recipient=row.recipient, channels=channels, categories=categories)
    names = ("locale", "time_zone", "quiet_hours", "channels", "categories", "devices")
    return row if all(getattr(row, name) == getattr(bare, name) for name in names) else bare


def _erase_deliveries(mine: QuerySet[Delivery]) -> int:
    done = 0
    while True:
        with transaction.atomic():
            rows = list(mine.order_by("pk").select_for_update()[:_BATCH])
            if not rows:
                return done
            # What waited is cancelled first, so that no broadcast counts it as waiting for ever.
            record(_cancelled(row) for row in rows if State(row.state).is_open)
            keys = [row.pk for row in rows]
            DeliveryEvent.objects.filter(delivery_id__in=keys).delete()
            Receipt.objects.filter(delivery_id__in=keys).delete()
            done += _delete(Delivery.objects.filter(pk__in=keys))


def _cancelled(row: Delivery) -> Change:
    before = standing_of(row)
    return Change(row.pk, before, ended(before, State.CANCELLED, Reason.NONE, row.due_at))


def _delete(rows: QuerySet[Any]) -> int:
    """Delete rows and return how many there were, without those that hang on them."""
    return rows.delete()[1].get(rows.model._meta.label, 0)
