"""Whether a recipient wants a kind of message on a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .quiet_hours import Window


@dataclass(frozen=True)
class Wishes:
    """A recipient's preferences, parsed; absent switches mean yes."""

    channels: Mapping[str, bool] = field(default_factory=dict)
    categories: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    quiet_hours: tuple[Window, ...] = ()
    locale: str = ""
    time_zone: str = ""


def is_wanted(wishes: Wishes, category: str, channel: str, *, mandatory: bool) -> bool:
    """Whether a message may go out: the switch for category and channel decides, else the channel's, else yes.

    A mandatory category overrides both.
    """
    if mandatory:
        return True
    own = wishes.categories.get(category, {}).get(channel)
    if own is not None and not own:
        return False
    return wishes.channels.get(channel, True)
