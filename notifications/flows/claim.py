"""Claim: take due deliveries of one channel and provider under a lease, after a last look at each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from .. import conf
from ..enums import Channel, Reason, State
from ..messages import Content
from ..models import Claim, Delivery
from ..models.delivery_queries import stand_at, standing_of
from ..providers.base import Adapter
from ..rules.breaking import Permit
from ..rules.doubt import resumed
from ..rules.grants import is_test
from ..rules.pacing import Turn, claim_size
from ..rules.routing import candidates, choose, in_order
from ..rules.standing import Change, Standing
from ..rules.transitions import claimed, ended, goes_alone, parked
from . import gate
from .abuse import stop_abuse
from .behind import Behind, split, with_patience
from .collapse import collapse
from .newer_words import give_newer_words
from .recheck import Facts, load_facts, recheck
from .record import record
from .take_turns import take_turns
from .throttle import throttle
from .turns import is_urgent, leave, report

_AGAIN = timedelta(seconds=2)
_SHORTEST_WAIT = timedelta(milliseconds=200)


#: Notification, version, locale and time zone.
Shared = tuple[UUID, int, str, str]


@dataclass(frozen=True)
class Batch:
    """Deliveries under one claim, in the order of their positions; `permit` and `turn` are the leave to send them."""

    claim_id: int
    worker: str
    channel: Channel
    adapter: Adapter
    permit: Permit
    turn: Turn
    deliveries: Sequence[Delivery]
    facts: Facts
    composed: dict[Shared, Content] = field(default_factory=dict, repr=False)
    """What was composed already of words in which nothing is the recipient's own."""


@dataclass(frozen=True)
class Claimed:
    """What a claim found: how many rows were due, and those to send; none if all were settled without a send.

    Where an account has a rate just now, more may be due any moment, and `enough` rows are enough for the next claim.
    """

    due: int
    batch: Batch | None
    enough: int = 0


def claim(
    channel: Channel, lanes: Sequence[int], worker: str, *, only: Collection[UUID] | None = None, most: int = 0
) -> Claimed:
    """Claim what is due in the most urgent of these lanes; what must not or cannot be sent now is recorded at once.

    `only` restricts the claim to some deliveries (`carillon trial`), `most` its size.
    """
    with transaction.atomic():
        rows = [] if gate.paused_until(channel) else _lock(channel, lanes, only, most or conf.CLAIM_SIZE)
        if not rows:
            return Claimed(0, None)
        now = Delivery.objects.claim_now()
        facts = load_facts(rows, now)
        settled = recheck(rows, facts)
        for decide in (collapse, throttle, stop_abuse):
            settled |= decide([row for row in rows if row.id not in settled], facts)
        routes = Routes(channel, rows[0].lane, facts)
        sendable = []
        for row in rows:
            if row.id in settled:
                continue
            alias, change = routes.route(row)
            if change is not None:
                settled[row.id] = change
            else:
                sendable.append((row, alias))
        rows_to_take = routes.share_out([row for row, alias in sendable if alias == routes.taken], settled)
        record(settled.values())
        return Claimed(len(rows), _take(rows_to_take, routes, worker), enough=routes.enough())


def _lock(channel: Channel, lanes: Sequence[int], only: Collection[UUID] | None, most: int) -> list[Delivery]:
    if only is not None:
        return [row for row in Delivery.objects.lock_ids(list(only)) if row.state == State.PENDING]
    lane = Delivery.objects.due_lane(channel, lanes)
    if lane is None:
        return []
    rows = take_turns(Delivery.objects.lock_due(channel, lane, most), channel, lane, most)
    if rows and goes_alone(standing_of(rows[0])):
        return rows[:1]
    return [row for row in rows if not goes_alone(standing_of(row))]


def _leave(alias: str, urgent: bool) -> tuple[Permit, Turn]:  # noqa: FBT001 - as a dry run's stand-in takes it
    return leave(alias, urgent=urgent)


class Routes:
    """Which provider each row goes through; asks hold and breaker once per provider.

    A dry run asks otherwise: `ask` and `held_until` are then those that change nothing.
    """

    def __init__(
        self,
        channel: Channel,
        lane: int,
        facts: Facts,
        ask: Callable[[str, bool], tuple[Permit, Turn]] = _leave,
        held_until: Callable[[str, str], datetime | None] = gate.held_until,
    ) -> None:
        self.lane = lane
        self.ask, self.held_until = ask, held_until
        self.route_entries = conf.get().routes.get(channel, ())
        self.sandbox = conf.get().sandbox
        self.facts = facts
        self.permits: dict[str, Permit] = {}
        self.behind: dict[str, Behind] = {}
        self.taken: str = ""
        # The same few questions are asked for every row.
        self._can_serve = lru_cache(maxsize=256)(gate.can_serve)

    def route(self, row: Delivery) -> tuple[str, Change | None]:
        """Return the provider for a row, or the change that says why there is none now."""
        device = self.facts.devices.get(row.device_id) if row.device_id else None
        platform, token_type = (device.platform, device.token_type) if device else ("", "")
        before = standing_of(row)
        aliases = in_order(candidates(self.route_entries, row.address, platform), before)
        if is_test(self.facts.notifications[row.notification_id].owner):
            # Accepted when all of them were sandboxes; it goes nowhere else, whatever the routes are now.
            aliases = [name for name in aliases if name in self.sandbox]
        alias, available = choose(
            aliases,
            lambda name: self._can_serve(name, platform, token_type),
            lambda name: self._is_open(name, platform),
        )
        if not alias:
            dead = ended(before, State.DEAD, Reason.NO_ROUTE, self.facts.now)
            return "", Change(row.id, before, dead._replace(fallback_at=self.facts.now))
        if not available:
            return alias, Change(row.id, before, self._park(row, alias, platform))
        return alias, None

    def _is_open(self, alias: str, platform: str) -> bool:
        if self.held_until(alias, platform) is not None:
            return False
        if self.taken and alias not in self.permits:
            # One claim serves one provider: asking for a second permit could take a probe that nobody would use.
            return True
        if alias not in self.permits:
            self.permits[alias], turn = self.ask(alias, is_urgent(self.lane))
            self.behind[alias] = Behind(alias, turn, self.facts)
        if self.permits[alias].allowed:
            self.taken = self.taken or alias
        return self.permits[alias].allowed

    def enough(self) -> int:
        """Return how many rows the next claim needs if an account has a rate just now, else 0."""
        rates = [item.turn.rate for item in self.behind.values() if item.turn.rate is not None]
        if len(self.route_entries) > 1 or not rates:
            # What another provider could send may be behind them all.
            return conf.CLAIM_SIZE if rates else 0
        return max(conf.START_GROUP, claim_size(max(rates), conf.CLAIM_SIZE))

    def share_out(self, rows: Sequence[Delivery], settled: dict[UUID, Change]) -> list[Delivery]:
        """Return what of the provider taken goes now; what waits behind is added to the settled."""
        going: list[Delivery] = []
        if self.taken and self.permits[self.taken].probe:
            # Whatever failed often may be at fault itself.
            going = sorted(rows, key=lambda row: row.attempt)[:1]
        elif self.taken:
            going = split(rows, self.behind[self.taken], alone=len(self.route_entries) == 1)
        for item in self.behind.values():
            settled.update(item.changes)
            item.count()
        return going

    def _park(self, row: Delivery, alias: str, platform: str) -> Standing:
        permit, behind, held = self.permits.get(alias), self.behind.get(alias), self.held_until(alias, platform)
        if behind is not None and behind.turn.paused and held is None:
            return behind.park(row).after
        wait = max(_SHORTEST_WAIT, timedelta(seconds=permit.retry_after)) if permit else _AGAIN
        waiting = parked(standing_of(row), Reason.BREAKER_OPEN, held or self.facts.now + wait)
        return with_patience(waiting, row, self.facts)


def _take(rows: list[Delivery], routes: Routes, worker: str) -> Batch | None:
    """Put the rows of one provider under a claim; the others stay due and are claimed next."""
    alias = routes.taken
    if not rows:
        if alias:
            report(alias, routes.permits[alias], [])
        return None
    permit, turn = routes.permits[alias], routes.behind[alias].turn
    head = rows[0]
    made = Claim.objects.create(
        worker=worker,
        channel=head.channel,
        lane=head.lane,
        provider=alias,
        lease_expires_at=Now() + timedelta(seconds=conf.LEASE_SECONDS),
        created_at=Now(),
    )
    lifetime, now = gate.key_lifetime(alias), routes.facts.now
    changes = [
        Change(row.id, before, claimed(resumed(before, alias, lifetime, now), made.pk, position, alias))
        for position, (row, before) in enumerate(((row, standing_of(row)) for row in rows), start=1)
    ]
    give_newer_words(rows, routes.facts)
    record(changes)
    for row, change in zip(rows, changes, strict=True):
        stand_at(row, change.after)
    return Batch(made.pk, worker, Channel(head.channel), gate.adapter(alias), permit, turn, rows, routes.facts)
