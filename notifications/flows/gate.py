"""Gate: whether a provider may be used now. A hold is kept in PostgreSQL, the breaker's state in Redis."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models.functions import Now

from .. import conf
from ..breakers import Permit, ProviderBreaker
from ..models import ProviderHold
from ..providers.base import Adapter
from ..providers.registry import adapter_for
from ..wakeups import connection
from .alerts import raise_alert

_HOLDS_KEPT_SECONDS = 1.0
MISCONFIGURED_HOLD = timedelta(minutes=5)


class _Holds:
    """The open holds, read at most once a second by each process."""

    def __init__(self) -> None:
        self.until: dict[str, datetime] = {}
        self.read_at = float("-inf")

    def get(self, alias: str) -> datetime | None:
        """Return when the provider's hold ends, or None if it is not held."""
        if time.monotonic() - self.read_at > _HOLDS_KEPT_SECONDS:
            self.until = dict(ProviderHold.objects.filter(until__gt=Now()).values_list("alias", "until"))
            self.read_at = time.monotonic()
        return self.until.get(alias)


_holds = _Holds()


def adapter(alias: str) -> Adapter:
    """Return the adapter of a configured provider."""
    provider = conf.get().providers[alias]
    return adapter_for(alias, provider.backend, provider.options)


@lru_cache(maxsize=64)
def breaker(alias: str) -> ProviderBreaker:
    """Return the breaker of a provider, shared by all workers through the Redis of its channel."""
    return ProviderBreaker(alias, connection(adapter(alias).channel))


def held_until(alias: str) -> datetime | None:
    """Return when the provider's hold ends, or None if it is not held."""
    return _holds.get(alias)


def permit(alias: str) -> Permit:
    """Ask the breaker for leave to send a group."""
    return breaker(alias).check()


def hold(alias: str, reason: str, *, by: str = "", lasting: timedelta = MISCONFIGURED_HOLD) -> None:
    """Hold a provider for a while; a provider that is misconfigured is held by itself and raises an alert."""
    ProviderHold.objects.update_or_create(
        alias=alias, defaults={"until": Now() + lasting, "reason": reason[:300], "held_by": by}
    )
    _holds.read_at = float("-inf")
    if not by:
        raise_alert("provider_misconfigured", alias, reason)


def release(alias: str) -> None:
    """End a hold."""
    ProviderHold.objects.filter(alias=alias).delete()
    _holds.read_at = float("-inf")
