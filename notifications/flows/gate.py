"""Gate: whether a provider may be used now. A hold is kept in PostgreSQL, the breaker's state in Redis."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import connection
from django.db.models.functions import Now
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerListener, CircuitBreakerState

from .. import conf
from ..breakers import Permit, ProviderBreaker
from ..enums import Channel
from ..exceptions import ConfigurationError
from ..models import ProviderHold
from ..providers.base import Adapter
from ..providers.registry import adapter_for
from ..rules.doubt import Key
from ..wakeups import connection as redis_of
from .alerts import raise_alert

logger = logging.getLogger("notifications.gate")
_HOLDS_KEPT_SECONDS = 1.0
_HOLD_ITSELF = """
    INSERT INTO carillon_providerhold (alias, until, reason, held_by, created_at)
    VALUES (%s, clock_timestamp() + make_interval(secs => %s), %s, '', clock_timestamp())
    ON CONFLICT (alias) DO UPDATE SET until = EXCLUDED.until, reason = EXCLUDED.reason, held_by = ''
    WHERE carillon_providerhold.until < EXCLUDED.until
"""
MISCONFIGURED_HOLD = timedelta(minutes=5)


class _AlertWhenOpen(CircuitBreakerListener):
    """Tells operators when a breaker opens; every process that notices it counts the same alert up."""

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        """Raise an alert on the way into open."""
        if new_state.name == STATE_OPEN:
            raise_alert("breaker_open", cb.name or "", "the provider fails; what is due waits or falls back")


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
    return ProviderBreaker(alias, redis_of(adapter(alias).channel), listeners=[_AlertWhenOpen()])


def held_until(alias: str) -> datetime | None:
    """Return when the provider's hold ends, or None if it is not held."""
    return _holds.get(alias)


def permit(alias: str) -> Permit:
    """Ask the breaker for leave to send a group."""
    return breaker(alias).check()


def foresee(alias: str, at: datetime, now: datetime) -> Permit:
    """Return the leave that the breaker as it stands now would give at a moment; asks for none and changes nothing."""
    seen = breaker(alias).look()
    wait = max(0.0, seen.retry_after - (at - now).total_seconds())
    return Permit(allowed=seen.state == STATE_CLOSED or not wait, retry_after=wait, state=seen.state)


def can_serve(alias: str, platform: str, token_type: str) -> bool:
    """Whether a provider can reach such a device; one that cannot even be loaded is passed over, and logged."""
    try:
        return adapter(alias).can_serve(platform, token_type)
    except (ConfigurationError, KeyError) as error:
        logger.error("provider %s cannot be used: %s", alias, error)  # noqa: TRY400 - the text says it all
        return False


def key_lifetime(alias: str) -> timedelta | None:
    """Return how long the provider honours an idempotency key, or None if it has none (or is not there any more)."""
    try:
        return adapter(alias).idempotency_key_lifetime
    except (ConfigurationError, KeyError):
        return None


def key(alias: str, used_at: datetime) -> Key | None:
    """Return what is known of the key of an attempt that was not made before `used_at`; None without one."""
    lifetime = key_lifetime(alias)
    return Key(lifetime, used_at) if lifetime is not None else None


def channel_of(alias: str) -> Channel | None:
    """Return the channel of a configured provider, or None if there is none of that name (any more)."""
    try:
        return adapter(alias).channel
    except (ConfigurationError, KeyError):
        return None


def hold(alias: str, reason: str, *, by: str, lasting: timedelta) -> None:
    """Hold a provider for a while because an operator says so."""
    ProviderHold.objects.update_or_create(
        alias=alias, defaults={"until": Now() + lasting, "reason": reason[:300], "held_by": by}
    )
    _holds.read_at = float("-inf")


def hold_misconfigured(alias: str, reason: str) -> None:
    """Hold a provider whose account is at fault, and raise an alert; an operator's hold is left as it is."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_ITSELF, [alias, MISCONFIGURED_HOLD.total_seconds(), reason[:300]])
    _holds.read_at = float("-inf")
    raise_alert("provider_misconfigured", alias, reason)


def end_hold(alias: str) -> None:
    """End a hold."""
    ProviderHold.objects.filter(alias=alias).delete()
    _holds.read_at = float("-inf")
