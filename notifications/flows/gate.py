"""Gate: whether a provider may be used now. A hold is kept in PostgreSQL, the breaker's state in Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import uuid4

from django.db import Error, connection, transaction
from django.db.models.functions import Now
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerListener, CircuitBreakerState

from .. import conf
from ..breakers import KEY as BREAKER_KEY
from ..breakers import ProviderBreaker
from ..enums import Channel
from ..exceptions import ConfigurationError
from ..models import ProviderHold
from ..pacing import Pace
from ..providers.base import GRACE_SECONDS, Adapter
from ..providers.registry import adapter_for
from ..rules.breaking import BreakerPolicy, Permit
from ..rules.doubt import Key
from ..wakeups import connection as redis_of
from .alerts import raise_alert

logger = logging.getLogger("notifications.gate")
_HOLDS_KEPT_SECONDS = 1.0
_HOLD_ITSELF = """
    INSERT INTO carillon_providerhold (alias, platform, until, reason, held_by, created_at)
    VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s), %s, %s, clock_timestamp())
    ON CONFLICT (alias, platform) DO UPDATE
    SET until = EXCLUDED.until, reason = EXCLUDED.reason, held_by = EXCLUDED.held_by
    WHERE carillon_providerhold.until < EXCLUDED.until
"""
# No provider has a name with a blank in it.
_OPEN_HOLDS = """
    SELECT alias, platform, until FROM carillon_providerhold WHERE until > statement_timestamp()
    UNION ALL
    SELECT 'channel ' || channel, '', until FROM carillon_channelpause WHERE until > statement_timestamp()
"""
MISCONFIGURED_HOLD = timedelta(minutes=5)


_OPEN = (
    "The provider fails; what is due waits or falls back. It is tried again by itself: look at its status page. To use"
    " the next provider of the route meanwhile, hold it on the page of provider holds."
)
_MISCONFIGURED = (
    "What is due waits or falls back. Mend the account or its OPTIONS, restart the workers if settings changed, then"
    " choose “Release the provider” for this alert; it is tried again by itself when the hold ends."
)


class _AlertWhenOpen(CircuitBreakerListener):
    """Tells operators when a breaker opens; every process that notices it counts the same alert up."""

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        """Raise an alert on the way into open.

        Whoever notices it may hold answers of sends that nobody else knows: these must not go with the alert. Should
        the provider go on failing, it opens again after its next probe, and is told of then.
        """
        if new_state.name != STATE_OPEN:
            return
        try:
            with transaction.atomic():  # a claim may be under way, which a failed statement would end
                raise_alert("breaker_open", cb.name or "", _OPEN)
        except Error as error:
            logger.warning("%s: breaker open; no alert, the database is away: %s", cb.name, type(error).__name__)


class _Holds:
    """The open holds, and pauses of channels, read together at most once a second by each process."""

    def __init__(self) -> None:
        self.until: dict[tuple[str, str], datetime] = {}
        self.read_at = float("-inf")

    def get(self, alias: str, platform: str) -> datetime | None:
        """Return when the provider can be used for a platform again, or None if it can be now."""
        if time.monotonic() - self.read_at > _HOLDS_KEPT_SECONDS:
            with connection.cursor() as cursor:
                cursor.execute(_OPEN_HOLDS)
                self.until = {(held, only): until for held, only, until in cursor.fetchall()}
            self.read_at = time.monotonic()
        return self.known(alias, platform)

    def forget(self) -> None:
        """Forget what was read."""
        self.until, self.read_at = {}, float("-inf")

    def known(self, alias: str, platform: str) -> datetime | None:
        """Return the same as it was read last: asks nothing."""
        if not self.until:
            return None
        ends = [self.until[key] for key in ((alias, ""), (alias, platform)) if key in self.until]
        return max(ends, default=None)


_holds = _Holds()


def adapter(alias: str) -> Adapter:
    """Return the adapter of a configured provider."""
    provider = conf.get().providers[alias]
    return adapter_for(alias, provider.backend, provider.options)


@lru_cache(maxsize=64)
def breaker(alias: str) -> ProviderBreaker:
    """Return the breaker of a provider, shared by all workers through the Redis of its channel."""
    used = adapter(alias)
    policy = BreakerPolicy().outliving(used.timeout + GRACE_SECONDS)
    return ProviderBreaker(alias, redis_of(used.channel), policy, listeners=[_AlertWhenOpen()])


@lru_cache(maxsize=64)
def pace(alias: str) -> Pace:
    """Return the pace of a provider's account, shared by all workers through the Redis of its channel."""
    used = adapter(alias)
    return Pace(alias, redis_of(used.channel), used.per_second, uuid4().hex, BREAKER_KEY % alias)


def forget() -> None:
    """Forget what this process knows of breakers, paces and holds: for tests, and when the clock was moved."""
    breaker.cache_clear()
    pace.cache_clear()
    _holds.forget()


def known_hold(alias: str, platform: str) -> datetime | None:
    """Return what `held_until` would, as this process knows it from its last question: for each message of a group."""
    return _holds.known(alias, platform)


def held_until(alias: str, platform: str = "") -> datetime | None:
    """Return when the provider's hold ends, its own or that of one platform's devices; None if it is not held."""
    return _holds.get(alias, platform)


def paused_until(channel: str) -> datetime | None:
    """Return when a channel's pause ends, None if it is not paused; known to within a second."""
    return _holds.get(f"channel {channel}", "")


def forget_holds() -> None:
    """Let this process read holds and pauses again when it needs them next."""
    _holds.read_at = float("-inf")


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


def reporting() -> list[str]:
    """Return the providers that report delivery, as far as they can be loaded."""
    found = []
    for alias in conf.get().providers:
        try:
            if adapter(alias).reports_delivery:
                found.append(alias)
        except ConfigurationError:
            continue
    return found


def channel_of(alias: str) -> Channel | None:
    """Return the channel of a configured provider, or None if there is none of that name (any more)."""
    try:
        return adapter(alias).channel
    except (ConfigurationError, KeyError):
        return None


def hold(alias: str, reason: str, *, by: str, lasting: timedelta, platform: str = "") -> None:
    """Hold a provider, or what one platform gets through it, for a while because an operator says so."""
    ProviderHold.objects.update_or_create(
        alias=alias, platform=platform, defaults={"until": Now() + lasting, "reason": reason[:300], "held_by": by}
    )
    _holds.read_at = float("-inf")


def hold_itself(alias: str, reason: str, lasting: timedelta, *, platform: str = "", by: str = "") -> None:
    """Hold a provider because of what was seen of it; a hold that lasts longer is left as it is."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_ITSELF, [alias, platform, lasting.total_seconds(), reason[:300], by])
    _holds.read_at = float("-inf")


def hold_misconfigured(alias: str, reason: str, platforms: Collection[str] = ()) -> None:
    """Hold a provider whose account is at fault, for some platforms or altogether, and raise an alert.

    An operator's hold that lasts longer is left as it is.
    """
    for platform in sorted(set(platforms)) or [""]:
        hold_itself(alias, reason, MISCONFIGURED_HOLD, platform=platform)
    raise_alert("provider_misconfigured", " ".join([alias, *sorted(set(platforms))]), f"{reason} {_MISCONFIGURED}")


def end_hold(alias: str, platform: str = "") -> bool:
    """End a provider's hold, or that of one platform's devices; return whether it was held."""
    rows = ProviderHold.objects.filter(alias=alias, platform=platform)
    ended, _ = rows.filter(until__gt=Now()).delete()
    rows.delete()  # one that had ended by itself
    _holds.read_at = float("-inf")
    return bool(ended)


def end_pause(alias: str) -> bool:
    """Let a provider be used again that asked to wait; return whether it was paused."""
    return channel_of(alias) is not None and pace(alias).lift()
