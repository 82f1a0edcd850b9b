"""Preferences: what one recipient wants, read and merged; a change is checked as a whole before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import cast

from django.db import transaction

from ..conf import did_you_mean
from ..enums import Channel
from ..exceptions import InvalidData, Problem
from ..models import Category, Device, Preference
from ..rules.identity import user_key
from ..rules.quiet_hours import parse_windows, zone

FIELDS = ("locale", "time_zone", "quiet_hours", "channels", "categories", "devices")
_LONGEST_LOCALE, _LONGEST_ZONE = 16, 64
_MOST_WINDOWS = 20
_WINDOW_FIELDS = ("days", "start", "end")
Switches = dict[str, bool]


def read_preferences(recipient: str) -> dict[str, object]:
    """Return a recipient's preferences; who never set any has the defaults: everything is wanted, no quiet hours."""
    return _as_values(Preference.objects.filter(pk=recipient).first() or Preference(recipient=recipient))


def change_preferences(recipient: str, changes: Mapping[str, object]) -> dict[str, object]:
    """Merge changes into a recipient's preferences and return all of them.

    Switches are merged one by one, and null removes one; quiet hours are replaced as a whole.

    Raises:
        InvalidData: something in the changes cannot be; every problem is listed and nothing was changed.
    """
    problems = [
        Problem(f"/{name[:63]}", "unknown_field", did_you_mean(name[:63], FIELDS))
        for name in changes
        if name not in FIELDS
    ]
    texts = _checked_texts(changes, problems)
    windows = _checked_windows(changes.get("quiet_hours", []), problems)
    channels = _checked_switches(changes.get("channels", {}), "/channels", problems)
    categories = _checked_categories(changes.get("categories", {}), problems)
    devices = _checked_devices(recipient, changes.get("devices", {}), problems)
    if problems:
        raise InvalidData("The preferences cannot be changed.", *problems)
    with transaction.atomic():
        Preference.objects.get_or_create(recipient=recipient)
        row = Preference.objects.select_for_update().get(pk=recipient)
        for name, text in texts.items():
            setattr(row, name, text)
        if "quiet_hours" in changes:
            row.quiet_hours = windows
        row.channels = _merged(row.channels, channels)
        for slug, switches in categories.items():
            row.categories[slug] = _merged(row.categories.get(slug, {}), switches) if switches is not None else {}
        row.categories = {slug: switches for slug, switches in row.categories.items() if switches}
        row.devices = _merged(row.devices, devices)
        row.save()
    return _as_values(row)


def _as_values(row: Preference) -> dict[str, object]:
    return {
        "locale": row.locale or None,
        "time_zone": row.time_zone or None,
        "quiet_hours": row.quiet_hours,
        "channels": row.channels,
        "categories": row.categories,
        "devices": row.devices,
    }


def _checked_texts(changes: Mapping[str, object], problems: list[Problem]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, longest in (("locale", _LONGEST_LOCALE), ("time_zone", _LONGEST_ZONE)):
        value = changes.get(name, "")
        if value is not None and not isinstance(value, str):
            problems.append(Problem(f"/{name}", "wrong_type", "must be a string or null"))
        elif value and len(value) > longest:
            problems.append(Problem(f"/{name}", "max_length", f"is longer than {longest} characters"))
        elif value and name == "time_zone" and zone(value) is None:
            problems.append(Problem(f"/{name}", "unknown_time_zone", "use an IANA name such as Europe/Berlin"))
        elif value and name == "locale" and not value.replace("-", "").replace("_", "").isalnum():
            problems.append(Problem(f"/{name}", "invalid", 'must be a language tag such as "de" or "pt-BR"'))
        elif name in changes:
            texts[name] = value or ""
    return texts


def _checked_windows(value: object, problems: list[Problem]) -> list[dict[str, object]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST_WINDOWS:
        problems.append(Problem("/quiet_hours", "wrong_type", f"must be a list of at most {_MOST_WINDOWS} windows"))
        return []
    windows: list[dict[str, object]] = []
    for index, item in enumerate(value):
        pointer = f"/quiet_hours/{index}"
        if not isinstance(item, dict) or any(name not in _WINDOW_FIELDS for name in item):
            problems.append(Problem(pointer, "wrong_type", "must be an object with days, start and end"))
            continue
        days = item.get("days")
        if isinstance(days, list) and any(isinstance(day, bool) for day in days):
            problems.append(Problem(f"{pointer}/days", "invalid", "must be numbers from 0 (Monday) to 6"))
            continue
        try:
            (window,) = parse_windows([item])
        except ValueError as error:
            problems.append(Problem(pointer, "invalid", str(error)))
            continue
        windows.append({"days": sorted(window.days), "start": _clock(window.start), "end": _clock(window.end)})
    return windows


def _checked_switches(value: object, pointer: str, problems: list[Problem]) -> dict[str, bool | None]:
    if not isinstance(value, dict):
        if value is not None:
            problems.append(Problem(pointer, "wrong_type", "must be an object of channels to true, false or null"))
        return {}
    for name, switch in value.items():
        if name not in Channel.values:
            hint = did_you_mean(name[:63], tuple(Channel.values))
            problems.append(Problem(f"{pointer}/{_escaped(name)}", "unknown_channel", hint))
        elif switch is not None and not isinstance(switch, bool):
            problems.append(Problem(f"{pointer}/{name}", "wrong_type", "must be true, false or null"))
    return value


def _checked_categories(value: object, problems: list[Problem]) -> dict[str, dict[str, bool | None] | None]:
    if not isinstance(value, dict):
        if value is not None:
            problems.append(Problem("/categories", "wrong_type", "must be an object of categories to switches"))
        return {}
    mandatory = dict(Category.objects.values_list("slug", "mandatory")) if value else {}
    found: dict[str, dict[str, bool | None] | None] = {}
    for slug, switches in value.items():
        pointer = f"/categories/{_escaped(slug)}"
        if slug not in mandatory:
            hint = did_you_mean(slug[:63], tuple(mandatory)) if mandatory else "there is no category"
            problems.append(Problem(pointer, "unknown_category", hint))
            continue
        checked = _checked_switches(switches, pointer, problems)
        if mandatory[slug] and False in checked.values():
            problems.append(Problem(pointer, "mandatory", "messages of this category cannot be switched off"))
        found[slug] = checked if switches is not None else None
    return found


def _checked_devices(recipient: str, value: object, problems: list[Problem]) -> dict[str, bool | None]:
    if not isinstance(value, dict) or not all(switch is None or isinstance(switch, bool) for switch in value.values()):
        if value is not None:
            problems.append(Problem("/devices", "wrong_type", "must be an object of device ids to true, false or null"))
        return {}
    known = {
        str(key) for key in Device.objects.filter(user_id__in=[user_key(recipient) or 0]).values_list("pk", flat=True)
    }
    problems += [
        Problem(f"/devices/{_escaped(name)}", "unknown_device", "is none of this user's devices")
        for name, switch in value.items()
        if name not in known and switch is not None
    ]
    return value


def _merged(old: Switches, new: Mapping[str, bool | None]) -> Switches:
    return cast("Switches", {name: value for name, value in {**old, **new}.items() if value is not None})


def _clock(value: time) -> str:
    return value.strftime("%H:%M") if not value.second and not value.microsecond else value.isoformat()


def _escaped(name: str) -> str:
    return name[:63].replace("~", "~0").replace("/", "~1")
