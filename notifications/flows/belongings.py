"""Belongings: where what is kept about one recipient lies; export reads it and erase deletes it.

A recipient may have an account, have had one that the host deleted, or never have had one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from .. import conf
from ..cipher import address_hash
from ..enums import Channel
from ..exceptions import UnknownRecipient
from ..models import (
    Broadcast,
    Delivery,
    Device,
    Digest,
    LeftOut,
    Notification,
    Preference,
    Receipt,
    RefusedRequest,
    ThrottleWindow,
    TopicSubscription,
)
from ..models.throttle import CODES
from ..rules.identity import USER_PREFIX, UserKey, hash_recipient, user_key, user_recipient
from .find import find
from .people import address_target, load_people
from .recipients import find_user_key

#: A channel and an address as messages to it were addressed.
Place = tuple[str, str]


def owner_key(recipient: str) -> UserKey | None:
    """Return the key of a recipient's user, be they there or gone; None if it can be nobody's."""
    text = user_key(recipient)
    try:
        key = None if text is None else get_user_model()._meta.pk.to_python(text)
    except ValidationError:
        return None
    return key if user_recipient(key) == recipient else None


def has_account(recipient: str) -> bool:
    """Whether the host (still) has the recipient's user."""
    key = owner_key(recipient)
    return key is not None and get_user_model()._default_manager.filter(pk=key).exists()


def is_known(recipient: str) -> bool:
    """Whether anything is kept about a recipient, or the host has their user."""
    return has_account(recipient) or any(rows.exists() for rows in rows_of(recipient).values())


def known_recipient(value: str) -> str:
    """Return the recipient that HTTP's `{user}` means: a user, or one who is gone from the host but not from here.

    Raises:
        UnknownRecipient: neither.
    """
    try:
        return user_recipient(find_user_key(value))
    except UnknownRecipient:
        # A key of the host's own is not a look-up value: with another look-up somebody else's could read the same.
        by_key = conf.get().recipient.lookup == "pk" and not value.startswith(USER_PREFIX)
        for text in dict.fromkeys((value, value.lower())):
            recipient = user_recipient(text) if by_key else text
            if owner_key(recipient) is not None and is_known(recipient):
                return recipient
        raise


def known_recipients(term: str) -> list[str]:
    """Return every recipient that a term means: a user, a recipient's key, or whatever the console can search for."""
    found = [who.recipient for who in find(term).people]
    with suppress(UnknownRecipient):
        found.insert(0, known_recipient(term))
    return [recipient for recipient in dict.fromkeys(found) if is_known(recipient)]


def rows_of(recipient: str, hashes: Iterable[str] = ()) -> dict[str, QuerySet[Any]]:
    """Return the rows that name a recipient, by what they are; a delivery's events and receipts hang on it.

    Codes are counted by address: their windows are found where the hashes of the recipient's addresses are told.
    """
    key = owner_key(recipient)
    mine = Q(pk__in=[]) if key is None else Q(user=key)
    codes = Q(category=CODES, recipient__in=[hash_recipient(hashed) for hashed in hashes])
    return {
        "devices": Device.objects.filter(mine),
        "topics": TopicSubscription.objects.filter(mine),
        "preferences": Preference.objects.filter(pk=recipient),
        "refused_requests": RefusedRequest.objects.filter(recipient__in=_refused_names(recipient, key)),
        "digests": Digest.objects.filter(recipient=recipient),
        "left_out": LeftOut.objects.filter(recipient=recipient),
        "throttles": ThrottleWindow.objects.filter(Q(recipient=recipient) | codes),
        "deliveries": Delivery.objects.filter(recipient=recipient),
        "notifications": Notification.objects.filter(recipient=recipient),
    }


def places_of(recipient: str) -> set[Place]:
    """Return every address under which something may be kept: today's, those of all devices, and former ones."""
    rows = rows_of(recipient)
    found: set[Place] = set(rows["devices"].values_list("channel", "address"))
    found |= set(rows["deliveries"].exclude(address="").order_by().values_list("channel", "address").distinct())
    found |= {(target.channel, target.address) for who in load_people([recipient]) for target in who.targets}
    for typed in rows["notifications"].exclude(addresses={}).order_by().values_list("addresses", flat=True).distinct():
        targets = (address_target(Channel(channel), address) for channel, address in typed.items())
        found |= {(target.channel, target.address) for target in targets if target is not None}
    return found


def hashes_of(places: Iterable[Place]) -> set[str]:
    """Return the hashes under which these addresses are looked up."""
    return {address_hash(channel, address) for channel, address in places}


def receipts_of(recipient: str, hashes: set[str]) -> QuerySet[Receipt]:
    """Return what providers told about a recipient's deliveries, and about their addresses without naming one.

    An address may be shared, and a device be somebody else's by now: what belongs to another's delivery is theirs.
    """
    deliveries = Delivery.objects.filter(recipient=recipient).values("pk")
    others = Delivery.objects.filter(pk=OuterRef("delivery_id")).exclude(recipient=recipient)
    return Receipt.objects.filter(Q(delivery_id__in=deliveries) | Q(Q(address_hash__in=hashes), ~Exists(others)))


def beside(receipts: Iterable[Receipt]) -> QuerySet[Receipt]:
    """Return the others' receipts that came in the same callbacks, and therefore have the same `raw`.

    One callback is stored by one statement, whose time all its receipts have.
    """
    rows = list(receipts)
    together = Receipt.objects.filter(received_at__in={row.received_at for row in rows})
    return together.exclude(pk__in=[row.pk for row in rows])


def listings_of(recipient: str, places: Iterable[Place]) -> tuple[Q, set[str]]:
    """Return which broadcasts name a user in a list, and the look-up values, as text, that do so."""
    key, paths = owner_key(recipient), conf.get().recipient
    values: set[object] = set()
    if key is not None:
        users = get_user_model()._default_manager.filter(pk=key)
        values = {key} if paths.lookup == "pk" else set(users.values_list(paths.lookup, flat=True))
        # The list may be older than today's address.
        values |= {address for channel, address in places if paths.fields.get(channel) == paths.lookup}
    wanted = Q(pk__in=[])
    for value in values:
        for form in {str(value), value if isinstance(value, int) else str(value)}:
            wanted |= Q(audience__users__contains=[form]) | Q(exclude__users__contains=[form])
    return wanted, {str(value) for value in values}


def listed_in(recipient: str, places: Iterable[Place]) -> QuerySet[Broadcast]:
    """Return the broadcasts whose audience or exclusion names a user in a list."""
    return Broadcast.objects.filter(listings_of(recipient, places)[0])


def _refused_names(recipient: str, key: UserKey | None) -> list[str]:
    """Return under which names a refusal may be kept: over HTTP it is the look-up value that was asked for."""
    lookup = conf.get().recipient.lookup
    if key is None or lookup == "pk":
        return [recipient]
    values = get_user_model()._default_manager.filter(pk=key).values_list(lookup, flat=True)
    return [recipient, *(user_recipient(value)[:80] for value in values)]
