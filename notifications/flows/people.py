"""People: what planning must know of a page of recipients, read set-wise (one query a table, however many they are)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from django.contrib.auth import get_user_model

from .. import conf
from ..channels import SPECS
from ..cipher import address_hash
from ..enums import Channel
from ..models import Notification
from ..models.reach_sql import Reach, reach_of
from ..rules.identity import user_key, user_recipient
from ..rules.locales import usable_locale
from ..rules.planning import Person, Target
from ..rules.preferences import NO_WISHES, Wishes
from ..rules.quiet_hours import Window, parse_windows, zone

_CHANNELS = {channel.value: channel for channel in Channel}
#: The channels whose addresses may be fields of the user.
_TYPED = (Channel.EMAIL, Channel.SMS)


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
    recipients = [user_recipient(row["pk"]) for row in rows]
    reach = reach_of(recipients, [row["pk"] for row in rows], channels)
    wishes, devices = _wishes(reach), _devices(reach)
    typed = [(channel, paths[channel]) for channel in _TYPED if channel in channels and channel in paths]
    # What no path leads to is None.
    locale, time_zone = paths.get("locale", ""), paths.get("time_zone", "")
    people = []
    for recipient, row in zip(recipients, rows, strict=True):
        wish = wishes.get(recipient, NO_WISHES)
        targets = devices.get(str(row["pk"]), ())
        if typed:
            targets = (*targets, *_field_targets(row, typed, targets))
        people.append(
            Person(
                recipient,
                wish,
                targets,
                usable_locale(wish.locale) or usable_locale(_text(row.get(locale))),
                zone(wish.time_zone) or zone(_text(row.get(time_zone))),
                recipient in lacking,
            )
        )
    return people


def load_wishes(recipients: Sequence[str]) -> dict[str, Wishes]:
    """Return the stored preferences of these recipients, parsed."""
    return _wishes(reach_of(recipients, (), ()))


def _wishes(reach: Reach) -> dict[str, Wishes]:
    return {
        recipient: Wishes(channels, categories, devices, _windows(quiet), locale, time_zone)
        for recipient, channels, categories, devices, quiet, locale, time_zone in reach.preferences
    }


@lru_cache(maxsize=4_096)
def _windows(quiet_hours: str | None) -> tuple[Window, ...]:
    """Return quiet hours as they are stored, parsed; what cannot be read counts as none."""
    try:
        return parse_windows(json.loads(quiet_hours or "[]"))
    except ValueError:
        return ()


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


def _field_targets(
    row: Mapping[str, object], typed: Sequence[tuple[Channel, str]], devices: Sequence[Target]
) -> list[Target]:
    explicit = {device.channel for device in devices}
    found = []
    for channel, path in typed:
        if channel not in explicit and (address := _text(row[path])):
            target = address_target(channel, address)
            if target is not None:
                found.append(target)
    return found


def _text(value: object) -> str:
    return str(value or "")


def _devices(reach: Reach) -> dict[str, tuple[Target, ...]]:
    found: dict[str, tuple[Target, ...]] = {}
    for user, channel, address, hashed, key, platform, kind, locale, time_zone in reach.devices:
        target = Target(_CHANNELS[channel], address, hashed, key, platform, kind, locale, zone(time_zone))
        found[str(user)] = (*found.get(str(user), ()), target)
    return found
