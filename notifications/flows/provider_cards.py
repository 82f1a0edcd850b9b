"""Provider cards: how each provider stands, read from roll-ups, holds, breakers and paces; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pybreaker import STATE_CLOSED, STATE_OPEN
from redis.exceptions import RedisError

from .. import conf
from ..breakers import LOG_KEY
from ..enums import Channel, ProviderState
from ..exceptions import ConfigurationError
from ..models.figures import Handled, Held, Moved, Standing, handled, last_receipts, standing, traffic
from ..rules.breaking import BreakerState
from ..rules.overview import quantile
from ..rules.pacing import Turn
from ..wakeups import connection
from . import gate

_HOUR = timedelta(hours=1)
_RECEIPTS_READ = 20_000
_AUDIT_READ = 2_000
_TRANSITIONS_SHOWN = 8


@dataclass(frozen=True)
class Transition:
    """Something that a provider went through: its breaker's new state, or what a person did to it."""

    at: datetime
    what: str
    who: str = ""
    why: str = ""


@dataclass(frozen=True)
class Figures:
    """What a provider did in a time: attempts that it took and that failed, and what it needed for nearly all."""

    sent: int = 0
    failed: int = 0
    tried_again: int = 0
    delivered: int = 0
    p95: float | None = None

    @property
    def error_share(self) -> float | None:
        """Which share of what was tried has failed; None if nothing was."""
        tried = self.sent + self.failed + self.tried_again
        return (self.failed + self.tried_again) / tried if tried else None


@dataclass(frozen=True)
class Card:
    """A provider: `until` is when it is tried again, if it is not used now; milliseconds for `p95`."""

    alias: str
    channel: Channel | None
    state: ProviderState
    adapter: str = ""
    place: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    why: str = ""
    by: str = ""
    holds: Sequence[Held] = ()
    breaker: BreakerState | None = None
    turn: Turn | None = None
    limit: float | None = None
    figures: Figures = field(default_factory=Figures)
    last_receipt: datetime | None = None
    reports_delivery: bool = False
    transitions: Sequence[Transition] = ()


def cards() -> list[Card]:
    """Return a card for each configured provider, in four statements and three questions to Redis for each."""
    now_standing = standing(1)
    since = now_standing.now - _HOUR
    figures = figures_by_provider(traffic(since, 3_600))
    receipts, acts = last_receipts(_RECEIPTS_READ), handled(_AUDIT_READ)
    return [
        card(alias, now_standing, figures.get(alias, Figures()), receipts.get(alias), acts)
        for alias in conf.get().providers
    ]


def card(
    alias: str,
    seen: Standing,
    figures: Figures | None = None,
    last_receipt: datetime | None = None,
    acts: Sequence[Handled] = (),
) -> Card:
    """Return one provider's card; one that cannot be loaded says so instead."""
    holds = [hold for hold in seen.holds if hold.name == alias]
    try:
        adapter = gate.adapter(alias)
    except ConfigurationError as error:
        return Card(alias, None, ProviderState.BROKEN, why=str(error), holds=holds)
    breaker = gate.breaker(alias).look()
    pace = gate.pace(alias)
    turn = pace.look()
    state, since, until = _state(seen, holds, breaker, turn)
    whole = next((hold for hold in holds if not hold.platform), None)
    places = [entry.provider for entry in conf.get().routes.get(adapter.channel, ())]
    return Card(
        alias=alias,
        channel=adapter.channel,
        state=state,
        adapter=type(adapter).__name__,
        place=places.index(alias) + 1 if alias in places else None,
        since=since,
        until=until,
        why=whole.reason if whole and state == ProviderState.HELD else "",
        by=whole.by if whole else "",
        holds=holds,
        breaker=breaker,
        turn=turn,
        limit=pace.limit,
        figures=figures or Figures(),
        last_receipt=last_receipt,
        reports_delivery=adapter.reports_delivery,
        transitions=_transitions(alias, adapter.channel, acts),
    )


def figures_by_provider(moved: Iterable[Moved]) -> dict[str, Figures]:
    """Return what each provider did, of what moved in a time."""
    found: dict[str, list[Moved]] = defaultdict(list)
    for item in moved:
        if item.place is None:
            found[item.provider].append(item)
    return {alias: figures_of(items) for alias, items in found.items()}


def figures_of(items: Sequence[Moved]) -> Figures:
    """Return the sums of some of what moved."""
    return Figures(
        sent=sum(item.sent for item in items),
        failed=sum(item.failed for item in items),
        tried_again=sum(item.tried_again for item in items),
        delivered=sum(item.delivered for item in items),
        p95=quantile(((item.lag, item.sent) for item in items), 0.95),
    )


def _state(
    seen: Standing, holds: Sequence[Held], breaker: BreakerState, turn: Turn
) -> tuple[ProviderState, datetime | None, datetime | None]:
    """Return how a provider stands, since when if that is known, and when it is used again."""
    whole = next((hold for hold in holds if not hold.platform), None)
    if whole is not None:
        return ProviderState.HELD, datetime.fromtimestamp(whole.since, UTC), datetime.fromtimestamp(whole.until, UTC)
    again = seen.now + timedelta(seconds=breaker.retry_after)
    if not breaker.reachable:
        return ProviderState.UNKNOWN, None, None
    if breaker.state == STATE_OPEN:
        return ProviderState.OPEN, breaker.opened_at, again
    if breaker.state != STATE_CLOSED:
        return ProviderState.PROBING, breaker.opened_at, again
    if turn.paused:
        return ProviderState.PAUSED, None, seen.now + timedelta(seconds=turn.wait)
    if holds:
        return ProviderState.PARTLY, datetime.fromtimestamp(min(hold.since for hold in holds), UTC), None
    return ProviderState.WORKING, None, None


def _transitions(alias: str, channel: Channel, acts: Sequence[Handled]) -> list[Transition]:
    found = [
        Transition(act.at, act.action, act.actor, act.reason) for act in acts if act.subject.partition(" ")[0] == alias
    ]
    try:
        kept = connection(channel).lrange(LOG_KEY % alias, 0, -1)
    except RedisError:
        kept = []
    for item in kept:
        at, _space, state = (item.decode() if isinstance(item, bytes) else item).partition(" ")
        found.append(Transition(datetime.fromtimestamp(int(at) / 1000, UTC), state))
    return sorted(found, key=lambda change: change.at, reverse=True)[:_TRANSITIONS_SHOWN]
