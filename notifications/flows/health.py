"""Health: how the whole stands, for probes, metrics, overviews and alerts; it reads, bounded, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pybreaker import STATE_CLOSED

from .. import conf
from ..enums import Channel, Lane
from ..exceptions import ConfigurationError
from ..models import health_queries
from ..wakeups import live_workers, waiting
from . import gate

#: More than a broadcast plans ahead (`conf.BACKLOG_LIMIT`); what lies beyond is not counted.
MOST_COUNTED = 25_000
#: So long after its last round the sweeper counts as stale: five times its lease.
STALE_SECONDS = 50.0


@dataclass(frozen=True)
class Backlog:
    """What is due in one lane of one channel; `depth` stops at `MOST_COUNTED`, `age` is the oldest's, in seconds."""

    channel: Channel
    lane: Lane
    depth: int
    age: float


@dataclass(frozen=True)
class DeadCause:
    """Dead letters that share channel, provider, reason and the provider's code, among the newest `MOST_COUNTED`."""

    channel: str
    provider: str
    reason: str
    code: str
    count: int
    last_at: datetime


@dataclass(frozen=True)
class ProviderHealth:
    """A configured provider: its breaker (closed, open, half-open; "" while Redis is away), and whether it is held."""

    alias: str
    channel: Channel
    breaker: str
    failures: int
    held: bool

    @property
    def usable(self) -> bool:
        """Whether it may be used now, as far as is known."""
        return not self.held and self.breaker in ("", STATE_CLOSED)


def backlog() -> list[Backlog]:
    """Return what is due by channel and lane, all of them, in one statement."""
    rows = health_queries.backlog(MOST_COUNTED)
    return [Backlog(Channel(channel), Lane(lane), depth, age or 0.0) for channel, lane, depth, age in rows]


def claims() -> dict[Channel, int]:
    """Return how many claims hold a lease, by channel."""
    found = dict(health_queries.claims())
    return {channel: found.get(channel, 0) for channel in Channel}


def dead_by_cause() -> list[DeadCause]:
    """Return the causes of the newest dead letters, the largest first."""
    return [DeadCause(*row) for row in health_queries.dead(MOST_COUNTED)]


def died_within(seconds: float) -> int:
    """Return how many dead letters died within so many seconds, counted up to `MOST_COUNTED`."""
    return health_queries.died_within(seconds, MOST_COUNTED)


def open_alerts() -> dict[str, int]:
    """Return how many alerts nobody has acknowledged, by kind."""
    return dict(health_queries.open_alerts())


def sweeper_age() -> float | None:
    """Return how many seconds ago a round of the sweeper began, or None if none ever did."""
    return health_queries.swept_ago()


def workers() -> dict[Channel, int | None]:
    """Return how many workers serve each channel; None where its Redis is away."""
    found = {channel: live_workers(channel) for channel in Channel}
    return {channel: None if names is None else len(names) for channel, names in found.items()}


def wakeups() -> dict[Channel, int | None]:
    """Return how many wake-ups wait for each channel; None where its Redis is away."""
    return {channel: waiting(channel) for channel in Channel}


def providers() -> Iterator[ProviderHealth]:
    """Yield how each configured provider stands; one whose adapter cannot be loaded is left out: a check names it."""
    held = {alias for alias, platform in health_queries.open_holds() if not platform}
    reachable: dict[Channel, bool] = {}
    for alias in conf.get().providers:
        try:
            adapter = gate.adapter(alias)
        except ConfigurationError:
            continue
        channel = Channel(adapter.channel)
        if channel not in reachable:
            # Asked once, since a hung Redis would cost its time-out for every provider.
            reachable[channel] = waiting(channel) is not None
        seen = gate.breaker(alias).look() if reachable[channel] else None
        known = seen is not None and seen.reachable
        yield ProviderHealth(
            alias,
            channel,
            seen.state if seen is not None and known else "",
            seen.failures if seen is not None and known else 0,
            alias in held,
        )
