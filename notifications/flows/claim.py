"""Claim: take due deliveries of one channel and provider under a lease, after a last look at each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from .. import conf
from ..breakers import Permit
from ..enums import Channel, Reason, State
from ..models import Claim, Delivery
from ..models.delivery_queries import stand_at, standing_of
from ..providers.base import Adapter
from ..rules.doubt import resumed
from ..rules.fallback import patience
from ..rules.routing import candidates, choose, in_order
from ..rules.standing import Change, Standing
from ..rules.transitions import claimed, ended, goes_alone, parked
from . import gate
from .collapse import collapse
from .recheck import Facts, load_facts, recheck
from .record import record
from .throttle import throttle

_AGAIN = timedelta(seconds=2)
_SHORTEST_WAIT = timedelta(milliseconds=200)


@dataclass(frozen=True)
class Batch:
    """Deliveries under one claim, in the order of their positions; `permit` is the breaker's leave to send them."""

    claim_id: int
    worker: str
    channel: Channel
    adapter: Adapter
    permit: Permit
    deliveries: Sequence[Delivery]
    facts: Facts


@dataclass(frozen=True)
class Claimed:
    """What a claim found: how many rows were due, and those to send; none if all were settled without a send."""

    due: int
    batch: Batch | None


def claim(
    channel: Channel, lanes: Sequence[int], worker: str, *, only: Collection[UUID] | None = None, most: int = 0
) -> Claimed:
    """Claim what is due in the most urgent of these lanes; what must not or cannot be sent now is recorded at once.

    `only` restricts the claim to some deliveries (`carillon trial`), `most` its size.
    """
    with transaction.atomic():
        rows = _lock(channel, lanes, only, most or conf.CLAIM_SIZE)
        if not rows:
            return Claimed(0, None)
        now = Delivery.objects.database_now()
        facts = load_facts(rows, now)
        settled = recheck(rows, facts)
        for decide in (collapse, throttle):
            settled |= decide([row for row in rows if row.pk not in settled], facts)
        routes = Routes(channel, facts)
        sendable = []
        for row in rows:
            if row.pk in settled:
                continue
            alias, change = routes.route(row)
            if change is not None:
                settled[row.pk] = change
            else:
                sendable.append((row, alias))
        record(settled.values())
        return Claimed(len(rows), _take(sendable, routes, worker))


def _lock(channel: Channel, lanes: Sequence[int], only: Collection[UUID] | None, most: int) -> list[Delivery]:
    if only is not None:
        return [row for row in Delivery.objects.lock_ids(list(only)) if row.state == State.PENDING]
    lane = Delivery.objects.due_lane(channel, lanes)
    if lane is None:
        return []
    rows = Delivery.objects.lock_due(channel, lane, most)
    if rows and goes_alone(standing_of(rows[0])):
        return rows[:1]
    return [row for row in rows if not goes_alone(standing_of(row))]


class Routes:
    """Which provider each row goes through; asks hold and breaker once per provider.

    A dry run asks otherwise: `permit` and `held_until` are then those that change nothing.
    """

    def __init__(
        self,
        channel: Channel,
        facts: Facts,
        permit: Callable[[str], Permit] = gate.permit,
        held_until: Callable[[str], datetime | None] = gate.held_until,
    ) -> None:
        self.ask, self.held_until = permit, held_until
        self.route_entries = conf.get().routes.get(channel, ())
        self.facts = facts
        self.permits: dict[str, Permit] = {}
        self.taken: str = ""

    def route(self, row: Delivery) -> tuple[str, Change | None]:
        """Return the provider for a row, or the change that says why there is none now."""
        device = self.facts.devices.get(row.device_id) if row.device_id else None
        platform, token_type = (device.platform, device.token_type) if device else ("", "")
        before = standing_of(row)
        aliases = in_order(candidates(self.route_entries, row.address, platform), before)
        alias, available = choose(aliases, lambda name: gate.can_serve(name, platform, token_type), self._is_open)
        if not alias:
            dead = ended(before, State.DEAD, Reason.NO_ROUTE, self.facts.now)
            return "", Change(row.pk, before, replace(dead, fallback_at=self.facts.now))
        if not available:
            return alias, Change(row.pk, before, self._park(row, alias))
        return alias, None

    def _is_open(self, alias: str) -> bool:
        if self.held_until(alias) is not None:
            return False
        if self.taken and alias not in self.permits:
            # One claim serves one provider: asking for a second permit could take a probe that nobody would use.
            return True
        if alias not in self.permits:
            self.permits[alias] = self.ask(alias)
        if self.permits[alias].allowed:
            self.taken = self.taken or alias
        return self.permits[alias].allowed

    def _park(self, row: Delivery, alias: str) -> Standing:
        category = self.facts.category_of(row)
        before = standing_of(row)
        permit = self.permits.get(alias)
        wait = max(_SHORTEST_WAIT, timedelta(seconds=permit.retry_after)) if permit else _AGAIN
        waiting = parked(before, Reason.BREAKER_OPEN, self.held_until(alias) or self.facts.now + wait)
        if before.fallback_at is None and category.fallback:
            left = row.expires_at - self.facts.now if row.expires_at else None
            waiting = replace(waiting, fallback_at=self.facts.now + patience(category.patience, left))
        return waiting


def _take(sendable: Sequence[tuple[Delivery, str]], routes: Routes, worker: str) -> Batch | None:
    """Put the rows of one provider under a claim; the others stay due and are claimed next."""
    alias = routes.taken
    rows = [row for row, own in sendable if own == alias]
    if not rows:
        return None
    permit = routes.permits[alias]
    if permit.probe:
        rows = rows[:1]
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
        Change(row.pk, before, claimed(resumed(before, alias, lifetime, now), made.pk, position, alias))
        for position, (row, before) in enumerate(((row, standing_of(row)) for row in rows), start=1)
    ]
    record(changes)
    for row, change in zip(rows, changes, strict=True):
        stand_at(row, change.after)
    return Batch(made.pk, worker, Channel(head.channel), gate.adapter(alias), permit, rows, routes.facts)
