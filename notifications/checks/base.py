"""What the checks share: one way to say what is wrong and what cures it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from .. import conf
from ..enums import Channel
from .shape import deeper_problems

TAG = "carillon"


def error(number: int, what: str, hint: str) -> CheckMessage:
    """Return a message that stops `manage.py check`."""
    return Error(what, hint=hint, id=f"{TAG}.E{number:03d}")


def warning(number: int, what: str, hint: str) -> CheckMessage:
    """Return a message that is shown and stops nothing."""
    return Caution(what, hint=hint, id=f"{TAG}.W{number:03d}")


def usable() -> conf.Settings | None:
    """Return the typed settings, or None while their shape is wrong: another check says how."""
    return None if conf.find_problems() or any(deeper_problems(conf.raw())) else conf.get()


def setting(name: str) -> Mapping[str, object]:
    """Return a setting that should be a dict; an absent or misshapen one is empty."""
    value = getattr(settings, name, None)
    return value if isinstance(value, Mapping) else {}


def routed_channels() -> tuple[Channel, ...]:
    """Return the channels that have a provider, as far as the settings can be read."""
    routes = conf.raw().get("ROUTES", {})
    return tuple(channel for channel in Channel if isinstance(routes, Mapping) and routes.get(channel))
