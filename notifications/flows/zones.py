"""Zones: in which time zone somebody's days are counted, one for a person whatever the zones of their devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model

from .. import conf
from ..models import Device
from ..rules.identity import UserKey, user_key, user_recipient
from ..rules.preferences import Wishes
from ..rules.quiet_hours import zone


def zones_of(recipients: Collection[str], wishes: Mapping[str, Wishes]) -> dict[str, ZoneInfo]:
    """Return the zone in which the days of each of these recipients are counted.

    The one they chose, else their account's, else that of the active device they registered first, else the
    installation's: nothing that depends on which device or message comes first. Who has no account and chose none is
    left out, since only their messages say where they are.
    """
    chosen = {name: zone(wishes[name].time_zone) for name in recipients if name in wishes}
    found = {name: where for name, where in chosen.items() if where is not None}
    for look in (_of_accounts, _of_devices):
        unknown = [key for name in recipients if name not in found and (key := user_key(name)) is not None]
        found |= look(unknown) if unknown else {}
    default = ZoneInfo(settings.TIME_ZONE)
    return {name: found.get(name, default) for name in recipients if name in found or user_key(name) is not None}


def _of_accounts(keys: Collection[UserKey]) -> dict[str, ZoneInfo]:
    path = conf.get().recipient.fields.get("time_zone")
    if not path:
        return {}
    rows = get_user_model()._default_manager.filter(pk__in=keys).values_list("pk", path)
    return {user_recipient(key): where for key, name in rows if (where := zone(str(name or ""))) is not None}


def _of_devices(keys: Collection[UserKey]) -> dict[str, ZoneInfo]:
    # Newest first, so that what stays of a person is the oldest.
    rows = Device.objects.filter(user__in=keys, is_active=True).exclude(time_zone="").order_by("-created_at", "-pk")
    known = rows.values_list("user", "time_zone")
    return {user_recipient(key): where for key, name in known if (where := zone(name)) is not None}
