"""Devices: register, move, deactivate; a token has one active owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel, DeactivatedReason, Platform, TokenType
from ..exceptions import InvalidData, Problem
from ..models import Device
from ..rules.identity import UserKey
from ..rules.pruning import is_outdated
from ..rules.quiet_hours import zone
from . import gate

_TRIES = 4


MOST_DEVICES = 20


@dataclass(frozen=True)
class Registration:
    """A device as somebody registers it."""

    channel: str = "push"
    platform: str = ""
    token_type: str = ""
    address: str = ""
    locale: str = ""
    time_zone: str = ""


def register(user_key: UserKey, wanted: Registration) -> tuple[Device, bool]:
    """Register a device of a user and return it, and whether it is new.

    The same device again is only seen again. A push token that another user registered moves: the old row is
    deactivated and a new one made, so that nobody gets somebody else's messages. A number or mailbox, which anybody
    can guess, never moves: two users may share it. Beyond 20 devices on a channel the one seen longest ago goes.

    Raises:
        InvalidData: the channel, platform, token type, address or zone cannot be.
    """
    channel, address = _checked(wanted)
    details = {
        "platform": wanted.platform,
        "token_type": wanted.token_type or _default_token_type(channel, wanted.platform),
        "locale": wanted.locale,
        "time_zone": wanted.time_zone,
        "last_seen_at": Now(),
    }
    for _ in range(_TRIES):
        try:
            return _register(user_key, channel, address, details)
        except IntegrityError:
            # Somebody registered the same token at the same moment: that row is there to be found now.
            continue
    return _register(user_key, channel, address, details)


def remove(device: Device) -> None:
    """Deactivate a device because its user asked for it."""
    _switch_off([device.pk], DeactivatedReason.REMOVED)


@dataclass(frozen=True)
class Gone:
    """An address that a provider calls dead: when the message to it was claimed, and since when, if it says so."""

    channel: str
    address: str
    asked_at: datetime
    since: datetime | None = None


def deactivate(found: Iterable[Gone], reason: DeactivatedReason, by: str = "") -> int:
    """Deactivate the active devices at these addresses and return how many there were.

    A device that has registered since is left alone: the provider's word is older than the app's.
    """
    by_channel: dict[str, dict[str, Gone]] = defaultdict(dict)
    for item in found:
        by_channel[item.channel][address_hash(item.channel, item.address)] = item
    done = 0
    for channel, items in by_channel.items():
        rows = Device.objects.filter(channel=channel, address_hash__in=items, is_active=True).order_by("pk")
        keys = [
            key
            for key, hashed, seen in rows.values_list("pk", "address_hash", "last_seen_at")
            if is_outdated(seen, items[hashed].asked_at, items[hashed].since)
        ]
        latest = max(item.asked_at for item in items.values())
        done += _switch_off(keys, reason, by, seen_until=latest)
    return done


def prune(keys: Iterable[UUID], reason: DeactivatedReason = DeactivatedReason.PRUNED) -> int:
    """Deactivate these devices by hand and return how many were active."""
    return _switch_off(list(keys), reason)


def restore(keys: Iterable[UUID]) -> int:
    """Undo a deactivation where nobody else has registered the token since; return how many came back."""
    wanted = restorable(keys)
    try:
        with transaction.atomic():
            return _switch_on(wanted)
    except IntegrityError:
        # Somebody registered one of them at this moment: the others come back all the same.
        return sum(_switch_on_alone(key) for key in wanted)


def restorable(keys: Iterable[UUID]) -> list[UUID]:
    """Return which of these devices could come back: switched off, and their token is nobody's by now.

    Of several rows with one token, the one seen last.
    """
    rows = list(
        Device.objects.filter(pk__in=list(keys), is_active=False)
        .order_by("-last_seen_at", "-pk")
        .values_list("pk", "channel", "address_hash", "user")
    )
    active = Device.objects.filter(is_active=True, address_hash__in={hashed for _, _, hashed, _ in rows})
    taken = {_place(*found) for found in active.values_list("channel", "address_hash", "user")}
    wanted = []
    for key, channel, hashed, user in rows:
        place = _place(channel, hashed, user)
        if place not in taken:
            taken.add(place)
            wanted.append(key)
    return sorted(wanted)


def _place(channel: str, hashed: str, user: object) -> tuple[str, str, object]:
    """Return what only one active device can have: of push tokens there is one, of numbers one for each user."""
    return channel, hashed, None if channel == Channel.PUSH else user


def _switch_on(keys: Sequence[UUID]) -> int:
    return Device.objects.filter(pk__in=keys, is_active=False).update(
        is_active=True,
        deactivated_reason=DeactivatedReason.NONE,
        deactivated_at=None,
        deactivated_by="",
        restored_at=Now(),
    )


def _switch_on_alone(key: UUID) -> int:
    try:
        with transaction.atomic():
            return _switch_on([key])
    except IntegrityError:
        return 0


def _register(user_key: UserKey, channel: Channel, address: str, details: Mapping[str, object]) -> tuple[Device, bool]:
    hashed = address_hash(channel, address)
    with transaction.atomic():
        same = Device.objects.select_for_update().filter(channel=channel, address_hash=hashed, is_active=True)
        earlier = (same if channel == Channel.PUSH else same.filter(user=user_key)).first()
        if earlier is not None and earlier.user_id == user_key:
            Device.objects.filter(pk=earlier.pk).update(**details)
            earlier.refresh_from_db()
            return earlier, False
        if earlier is not None:
            _switch_off([earlier.pk], DeactivatedReason.MOVED)
        mine = Device.objects.filter(user=user_key, channel=channel, is_active=True).order_by("-last_seen_at", "-pk")
        _switch_off(list(mine.values_list("pk", flat=True)[MOST_DEVICES - 1 :]), DeactivatedReason.TOO_MANY)
        device = Device.objects.create(
            user_id=user_key, channel=channel, address=address, address_hash=hashed, **details
        )
        device.refresh_from_db()
        return device, True


def _switch_off(
    keys: list[UUID], reason: DeactivatedReason, by: str = "", *, seen_until: datetime | None = None
) -> int:
    if not keys:
        return 0
    rows = Device.objects.filter(pk__in=keys, is_active=True)
    if seen_until is not None:
        rows = rows.filter(last_seen_at__lte=seen_until)
    return rows.update(is_active=False, deactivated_reason=reason, deactivated_at=Now(), deactivated_by=by)


def _checked(wanted: Registration) -> tuple[Channel, str]:
    problems = []
    if wanted.channel not in Channel.values:
        problems.append(Problem("/channel", "unknown_channel", f"must be one of {', '.join(Channel.values)}"))
        raise InvalidData("The device cannot be registered.", *problems)
    channel = Channel(wanted.channel)
    if channel == Channel.PUSH and wanted.platform not in Platform.values:
        problems.append(Problem("/platform", "unknown_platform", f"must be one of {', '.join(Platform.values)}"))
    if wanted.token_type and wanted.token_type not in TokenType.values:
        problems.append(Problem("/token_type", "unknown_token_type", f"must be one of {', '.join(TokenType.values)}"))
    if wanted.time_zone and zone(wanted.time_zone) is None:
        problems.append(Problem("/time_zone", "unknown_time_zone", "use an IANA name such as Europe/Berlin"))
    address = ""
    try:
        address = SPECS[channel].normalise(wanted.address)
    except ValueError as error:
        problems.append(Problem("/address", "invalid_address", str(error)))
    if problems:
        raise InvalidData("The device cannot be registered.", *problems)
    return channel, address


def _default_token_type(channel: Channel, platform: str) -> str:
    """Return apns for iOS where a provider of the route takes such tokens, else fcm; other channels have none."""
    if channel != Channel.PUSH:
        return ""
    if platform == Platform.IOS:
        for entry in conf.get().routes.get(Channel.PUSH, ()):
            if gate.adapter(entry.provider).can_serve(Platform.IOS, TokenType.APNS):
                return TokenType.APNS
    return TokenType.FCM
