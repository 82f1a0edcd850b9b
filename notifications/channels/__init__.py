"""The channels: what an address looks like on each and of which parts its messages are made."""

from ..enums import Channel
from .base import ChannelSpec, Part
from .email import EMAIL
from .push import PUSH
from .sms import SMS

SPECS: dict[Channel, ChannelSpec] = {spec.channel: spec for spec in (PUSH, SMS, EMAIL)}

__all__ = ["SPECS", "ChannelSpec", "Part"]
