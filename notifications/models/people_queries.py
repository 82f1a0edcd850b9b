"""The SQL that reads what belongs to a page of users: their preferences and the devices where they can be reached."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections, models

if TYPE_CHECKING:
    from .recipient import Device, Preference

# Two questions in one round trip; as a join it would take several times as long to plan.
_BELONGINGS = """
    SELECT (
        SELECT json_agg(json_build_array(
            recipient, locale, time_zone, quiet_hours, channels, categories, devices))
        FROM carillon_preference WHERE recipient = ANY(%(recipients)s)
    )::text, (
        SELECT json_agg(json_build_array(
            user_id, channel, address, address_hash, id, platform, token_type, locale, time_zone)
            ORDER BY created_at, id)
        FROM carillon_device WHERE user_id = ANY(%(users)s) AND is_active AND channel = ANY(%(channels)s)
    )::text
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
        owners = {key.target_field.get_db_prep_value(user, connection): name for name, user in users.items()}
        values: dict[str, Any] = {"recipients": list(users), "users": list(owners), "channels": list(channels)}
        with connection.cursor() as cursor:
            cursor.execute(_BELONGINGS, values)
            stored, reached = cursor.fetchone()
        for row in json.loads(stored or "[]"):
            found.preferences[row[0]] = self.model(**dict(zip(_OF_A_PREFERENCE, row, strict=True)))
        by_text = {str(user): name for user, name in owners.items()}
        for user, *device in json.loads(reached or "[]"):
            device[3] = UUID(device[3])
            found.devices.setdefault(by_text[str(user)], []).append(device)
        return found
