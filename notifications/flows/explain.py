"""Explain: what would happen to a message on each channel and why, by the code that lets it happen; nothing is written.

Planning, the last look before a send, throttle, digest and routing are the functions that workers call; where one of
them would write or take something, its counterpart that only looks is called. For the past, the records tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from ..enums import Channel, Reason, State
from ..exceptions import InvalidData, Problem
from ..models import Category, Delivery, Notification
from ..models.delivery_queries import standing_of
from ..rules.breaking import Permit
from ..rules.fallback import judge
from ..rules.foresight import foretold, verdicts
from ..rules.identity import ADDRESS_PREFIX
from ..rules.pacing import Turn
from ..rules.planning import Person
from ..rules.standing import Standing
from ..rules.transitions import claimed
from . import abuse, gate, plan, throttle
from .accept import draft
from .claim import Routes
from .collapse import collapse
from .explain_inputs import Inputs, Line
from .people import address_target, load_people
from .recheck import Facts, load_facts, recheck
from .recipients import find_recipient
from .requests import Request, channel_problems
from .templates import find_template


@dataclass(frozen=True)
class Outcome:
    """What would become of the message at one target, or on a channel that has none.

    What would go out is `sending`, since nobody can foresee the provider's answer. `step` is 0 for primary channels,
    beyond that a fallback; `fallback_at` says when the next channel would be considered.
    """

    channel: Channel
    address: str
    device_id: UUID | None
    step: int
    state: State
    reason: Reason
    due_at: datetime
    provider: str
    fallback_at: datetime | None
    explanation: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Explanation:
    """The dry run of one message to one recipient: as of which moment, and what would happen."""

    recipient: str
    template: str
    category: str
    at: datetime
    zone: ZoneInfo
    outcomes: tuple[Outcome, ...]


def explain(request: Request, at: datetime | None = None) -> Explanation:
    """Return what would happen if this were asked for now, or at a later moment; one without a zone is the recipient's.

    Variables are not looked at. It runs in a transaction in which PostgreSQL refuses writes and which is rolled back.
    Throttle windows, digests, holds and breakers are taken as they stand.

    Raises:
        RequestRejected: no such template, recipient or channel, or the moment lies in the past.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        explained = _explain(request, at)
        # Otherwise an outer transaction would stay read-only.
        transaction.set_rollback(True)
    return explained


def somebody(recipient: str, term: str) -> Person | None:
    """Return the person behind a recipient key; without an account only the address itself, as searched for, tells."""
    if not recipient.startswith(ADDRESS_PREFIX):
        return next(iter(load_people([recipient])), None)
    targets = [address_target(channel, term) for channel in (Channel.EMAIL, Channel.SMS)]
    found = tuple(target for target in targets if target is not None)
    return Person(recipient, targets=found) if found else None


def _explain(request: Request, at: datetime | None) -> Explanation:
    template = find_template(request.template)
    person = find_recipient(request.recipient)
    problems = channel_problems(request, template)
    zone = person.zone or ZoneInfo(settings.TIME_ZONE)
    now = Delivery.objects.database_now()
    moment = at.replace(tzinfo=zone) if at is not None and at.tzinfo is None else at
    if moment is not None and moment < now.replace(second=0, microsecond=0):
        problems.append(Problem("/at", "in_the_past", "what happened then is on the timeline"))
    if problems:
        raise InvalidData("This cannot be foreseen.", *problems)
    moment = max(moment, now) if moment else now
    notification = draft(request, template, person, moment)
    # What is sensitive is never gathered into a digest; its value does not matter here.
    notification.secrets = b"" if template.sensitive else None
    run = _DryRun(notification, template.category, person, moment, now)
    run.go()
    return Explanation(
        person.recipient, template.slug, template.category.slug, moment, zone, tuple(map(run.outcome, run.rows))
    )


class _DryRun:
    """One message on its way through planning and claiming, step by step, without a trace."""

    def __init__(
        self, notification: Notification, category: Category, person: Person, at: datetime, now: datetime
    ) -> None:
        self.notification, self.category, self.person = notification, category, person
        self.at, self.now = at, now
        self.rows: list[Delivery] = []
        self.standings: dict[UUID, Standing] = {}
        self.providers: dict[UUID, str] = {}
        self.facts = Facts(at)
        self.inputs: Inputs | None = None

    def go(self) -> None:
        """Plan the primary channels and let each row be claimed; fall back as long as a step fails at once."""
        steps = plan.steps_of(self.notification, self.category)
        following = 0
        while following < len(steps):
            planned = plan.foresee(self.notification, self.category, [self.person], self.at, first_step=following)
            # As when they are written: one that is there already, on an earlier channel, is left alone.
            fresh: dict[UUID, Delivery] = {}
            for row in planned:
                if row.pk not in self.standings:
                    fresh.setdefault(row.pk, row)
            made = list(fresh.values())
            self.rows += made
            self._claim(made)
            if not made:
                break
            last = max(row.step for row in made)
            standings = [self.standings[row.pk] for row in made if row.step == last]
            looked_at = any(standing.fallback_at is not None for standing in standings)
            confirmed = bool(self.category.fallback_after)
            if not looked_at or not judge(standings, self.at, confirmed_only=confirmed).fall_back:
                break
            following = last + 1
        self.inputs = Inputs(self.notification, self.category, self.person, self.facts)

    def outcome(self, row: Delivery) -> Outcome:
        """Return what became of one row and what each rule had to do with it."""
        standing = self.standings[row.pk]
        state, reason = standing.state, standing.reason
        said = verdicts(state, reason, has_target=bool(row.address), planned=State(row.state))
        if self.inputs is None:
            raise AssertionError("the dry run has not been made")
        return Outcome(
            channel=Channel(row.channel),
            address=row.address,
            device_id=row.device_id,
            step=row.step,
            state=state,
            reason=reason,
            due_at=standing.due_at,
            provider=self.providers.get(row.pk, ""),
            fallback_at=standing.fallback_at,
            explanation=foretold(state, reason),
            lines=tuple(self.inputs.line(row, rule, verdict, self._held_until) for rule, verdict in said),
        )

    def _claim(self, made: Sequence[Delivery]) -> None:
        """Do with these rows what a claim would do, channel by channel."""
        self.standings |= {row.pk: standing_of(row) for row in made}
        loaded = load_facts([*self.rows], self.at)
        self.facts = replace(
            loaded,
            notifications={self.notification.pk: self.notification},
            categories={self.category.slug: self.category},
        )
        due: dict[str, list[Delivery]] = defaultdict(list)
        for row in made:
            if row.state == State.PENDING and row.due_at <= self.at:
                due[row.channel].append(row)
        for channel, rows in due.items():
            settled = recheck(rows, self.facts)
            for decide in (collapse, throttle.foresee, abuse.foresee):
                settled |= decide([row for row in rows if row.pk not in settled], self.facts)
            for row in rows:
                change = settled.get(row.pk)
                self.standings[row.pk] = change.after if change else self._routed(row, Channel(channel))

    def _routed(self, row: Delivery, channel: Channel) -> Standing:
        routes = Routes(channel, row.lane, self.facts, self._ask, self._held_until)
        alias, change = routes.route(row)
        self.providers[row.pk] = alias
        return change.after if change else claimed(standing_of(row), 0, 0, alias)

    def _ask(self, alias: str, _urgent: bool) -> tuple[Permit, Turn]:  # noqa: FBT001 - as a claim asks
        """Return the leave that a provider would give at the moment of the dry run."""
        permit = gate.foresee(alias, self.at, self.now)
        return permit, Turn(granted=1)

    def _held_until(self, alias: str, platform: str = "") -> datetime | None:
        """Return until when a provider is held at the moment of the dry run."""
        until = gate.held_until(alias, platform)
        return until if until is not None and until > self.at else None
