"""People: what planning must know of a page of recipients, read set-wise (two statements, however many they are)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from django.contrib.auth import get_user_model

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel, TokenType
from ..models import Device, Notification, Preference
from ..rules.identity import user_key, user_recipient
from ..rules.locales import usable_locale
from ..rules.planning import Person, Target
from ..rules.preferences import Wishes
from ..rules.quiet_hours import parse_windows, zone


def load_people(recipients: Iterable[str]) -> list[Person]:
    """Return what is known of these users; a recipient whose user is gone is left out."""
    keys = [key for key in map(user_key, recipients) if key is not None]
    paths = conf.get().recipient.fields
    # Values, not instances: field paths may cross relations, and a page must stay one query.
    rows = get_user_model()._default_manager.filter(pk__in=keys).values("pk", *set(paths.values()))
    return people_from_rows(list(rows))


def people_from_rows(
    rows: Sequence[Mapping[str, object]], lacking: Collection[str] = (), channels: Collection[Channel] = tuple(Channel)
) -> list[Person]:
    """Return people from rows that hold the user's key and the field paths of `RECIPIENT`.

    `lacking` are the recipients without a variable of their own that the template needs. Where they can be reached is
    told for these channels only: reading an address costs more than all that is decided about it.
    """
    paths = conf.get().recipient.fields
    users = {user_recipient(row["pk"]): row["pk"] for row in rows}
    stored, found = Preference.objects.belongings(users, Device, channels)
    typed = [channel for channel in (Channel.EMAIL, Channel.SMS) if channel in channels]
    people = []
    for row in rows:
        recipient = user_recipient(row["pk"])
        wish = wishes_of(stored[recipient]) if recipient in stored else Wishes()
        devices = [_device_target(*device) for device in found.get(recipient, ())]
        facts = {name: str(row[path] or "") for name, path in paths.items()}
        people.append(
            Person(
                recipient=recipient,
                wishes=wish,
                targets=(*devices, *_field_targets(facts, typed, devices)),
                locale=usable_locale(wish.locale) or usable_locale(facts.get("locale")),
                zone=zone(wish.time_zone) or zone(facts.get("time_zone")),
                lacks_variable=recipient in lacking,
            )
        )
    return people


def load_wishes(recipients: Sequence[str]) -> dict[str, Wishes]:
    """Return the stored preferences of these recipients, parsed."""
    return {row.recipient: wishes_of(row) for row in Preference.objects.filter(pk__in=recipients)}


def wishes_of(row: Preference) -> Wishes:
    """Return one stored preference, parsed; quiet hours that cannot be read count as none."""
    try:
        windows = parse_windows(row.quiet_hours)
    except ValueError:
        windows = ()
    return Wishes(row.channels, row.categories, row.devices, windows, row.locale, row.time_zone)


def address_target(channel: Channel, address: str) -> Target | None:
    """Return a target for an address as somebody typed it, or None if it cannot be one."""
    try:
        normal = SPECS[channel].normalise(address)
    except ValueError:
        return None
    return Target(channel, normal, address_hash(channel, normal))


def person_of(recipient: str, notification: Notification) -> Person | None:
    """Return a notification's recipient as they can be reached now; without an account, as they were addressed."""
    if user_key(recipient) is not None:
        return next(iter(load_people([recipient])), None)
    targets = [address_target(Channel(channel), address) for channel, address in notification.addresses.items()]
    return Person(
        recipient,
        targets=tuple(target for target in targets if target is not None),
        locale=notification.locale,
        zone=zone(notification.time_zone),
    )


def _field_targets(facts: Mapping[str, str], channels: Sequence[Channel], devices: Sequence[Target]) -> list[Target]:
    explicit = {device.channel for device in devices}
    found = []
    for channel in channels:
        if channel not in explicit and facts.get(channel):
            target = address_target(channel, facts[channel])
            if target is not None:
                found.append(target)
    return found


def _device_target(*of: Any) -> Target:
    channel, address, hashed, pk, platform, token_type, locale, time_zone = of
    return Target(
        channel=Channel(channel),
        address=address,
        address_hash=hashed,
        device_id=pk,
        platform=platform,
        token_type=cast("TokenType", token_type),
        locale=locale,
        zone=zone(time_zone),
    )
