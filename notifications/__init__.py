"""Carillon: notifications for Django over push, SMS and email, with nothing lost and everything explained."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .calls import broadcast, notify
    from .declarations import audience, category, template
    from .messages import Address
    from .signals import delivery_changed

__version__ = "0.1.0"
__all__ = ["Address", "audience", "broadcast", "category", "delivery_changed", "notify", "template"]

_HOME = {
    "notify": "notifications.calls",
    "broadcast": "notifications.calls",
    "category": "notifications.declarations",
    "template": "notifications.declarations",
    "audience": "notifications.declarations",
    "Address": "notifications.messages",
    "delivery_changed": "notifications.signals",
}


def __getattr__(name: str) -> object:
    """Load the public names when first used, since models cannot be imported before the apps are ready."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
