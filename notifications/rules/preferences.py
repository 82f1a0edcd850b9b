"""Whether a recipient wants a kind of message on a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from .quiet_hours import Window


@dataclass(frozen=True)
class Wishes:
    """A recipient's preferences, parsed; absent switches mean yes."""

    channels: Mapping[str, bool] = field(default_factory=dict)
    categories: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    devices: Mapping[str, bool] = field(default_factory=dict)
    quiet_hours: tuple[Window, ...] = ()
    locale: str = ""
    time_zone: str = ""


#: Of whom nothing is stored.
NO_WISHES = Wishes()


def is_wanted(wishes: Wishes, category: str, channel: str, *, mandatory: bool) -> bool:
    """Whether a message may go out: neither the channel nor the category on that channel is switched off.

    A mandatory category overrides both. What is stored otherwise than as a switch counts as none.
    """
    if mandatory:
        return True
    return _is_on(wishes.channels, channel) and _is_on(_entry(wishes.categories, category), channel)


def is_wanted_on(wishes: Wishes, device_id: UUID | str | None, *, mandatory: bool) -> bool:
    """Whether this very device may get messages: its owner has not switched it off; a mandatory category overrides."""
    return mandatory or device_id is None or _is_on(wishes.devices, str(device_id))


def _is_on(switches: object, channel: str) -> bool:
    return _entry(switches, channel) is not False


def _entry(stored: object, name: str) -> object:
    return stored.get(name) if isinstance(stored, dict) else None
