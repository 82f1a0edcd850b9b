"""The SQL that reads what belongs to a page of users: their preferences and the devices where they can be reached."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections, models

if TYPE_CHECKING:
    from .recipient import Device, Preference

_BELONGINGS = """
    SELECT u.recipient, p.recipient, p.locale, p.time_zone, p.quiet_hours::text, p.channels::text, p.categories::text,
           p.devices::text, d.channel, d.address, d.address_hash, d.id, d.platform, d.token_type, d.locale, d.time_zone
    FROM unnest(%(recipients)s::text[], %(users)s::{user_type}[]) AS u(recipient, user_id)
    LEFT JOIN carillon_preference p ON p.recipient = u.recipient
    LEFT JOIN carillon_device d ON d.user_id = u.user_id AND d.is_active AND d.channel = ANY(%(channels)s::text[])
    ORDER BY d.created_at, d.id
"""
_OF_A_PREFERENCE = ("recipient", "locale", "time_zone", "quiet_hours", "channels", "categories", "devices")


class Belongings(NamedTuple):
    """By recipient: the stored preference, and the devices as (channel, address, hash, id, platform, ...)."""

    preferences: dict[str, Preference]
    devices: dict[str, list[Sequence[Any]]]


class PreferenceQuerySet(models.QuerySet["Preference"]):
    """Preferences, by what they are asked."""

    def belongings(self, users: dict[str, Any], devices: type[Device], channels: Collection[str]) -> Belongings:
        """Return what belongs to users (primary keys by recipient); devices of these channels, oldest first."""
        found = Belongings({}, {})
        if not users:
            return found
        connection = connections[self.db]
        key: Any = devices._meta.get_field("user")
        kind = str(key.db_type(connection))
        values = {
            "recipients": list(users),
            "users": [key.target_field.get_db_prep_value(user, connection) for user in users.values()],
            "channels": list(channels),
        }
        # A cast to a bounded text would cut what is too long.
        statement = _BELONGINGS.format(user_type="text" if kind.startswith("varchar") else kind)
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            for recipient, stored, *rest in cursor.fetchall():
                if stored is not None and stored not in found.preferences:
                    given = [stored, *rest[:2], *map(json.loads, rest[2:6])]
                    found.preferences[stored] = self.model(**dict(zip(_OF_A_PREFERENCE, given, strict=True)))
                if rest[6] is not None:
                    found.devices.setdefault(recipient, []).append(rest[6:])
        return found
