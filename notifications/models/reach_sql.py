"""The SQL that tells what recipients want and where they can be reached: one statement, however many they are."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from django.db import connections

from ..enums import Channel
from ..rules.identity import UserKey
from .recipient import Device

# As JSON, since rows of two tables come back; and by hand, since Django takes longer to write these than PostgreSQL to
# answer them. Quiet hours stay text: many people have the same.
_REACH = """
    SELECT (
        SELECT json_agg(json_build_array(
            p.recipient, p.channels, p.categories, p.devices, p.quiet_hours::text, p.locale, p.time_zone))
        FROM carillon_preference p WHERE p.recipient = ANY(%(recipients)s::text[])
    )::text, (
        SELECT json_agg(json_build_array(
            d.user_id, d.channel, d.address, d.address_hash, d.id, d.platform, d.token_type, d.locale, d.time_zone
        ) ORDER BY d.created_at, d.id)
        FROM carillon_device d
        WHERE d.user_id = ANY(%(users)s::{key}[]) AND d.is_active AND d.channel = ANY(%(channels)s::text[])
    )::text
"""


class Reach(NamedTuple):
    """What is stored of recipients: a row of values for each preference, and for each device in order of registration.

    A preference is recipient, switches of channels, categories and devices, quiet hours as text, locale and zone; a
    device is the user's key as JSON has it, channel, address, its hash, id, platform, kind of token, locale and zone.
    """

    preferences: list[Sequence[Any]]
    devices: list[Sequence[Any]]


def reach_of(recipients: Collection[str], users: Collection[UserKey], channels: Collection[Channel]) -> Reach:
    """Return what these recipients want, and these users' active devices on these channels."""
    key = Device._meta.get_field("user").target_field
    using = connections[Device.objects.db]
    values: dict[str, object] = {
        "recipients": list(recipients),
        "users": [key.get_db_prep_value(user, using) for user in users],
        "channels": [channel.value for channel in channels],
    }
    with using.cursor() as cursor:
        cursor.execute(_REACH.format(key=key.rel_db_type(using)), values)  # type: ignore[arg-type]  # lists for ANY
        preferences, devices = cursor.fetchone()
    return Reach(json.loads(preferences or "[]"), json.loads(devices or "[]"))
