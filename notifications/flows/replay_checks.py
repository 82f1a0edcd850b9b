"""Replay checks: what a replay would do with each dead letter now, so that a dry run and the act cannot differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .. import conf
from ..enums import Channel, Reason, Refusal, State
from ..models import Delivery, Notification, Template
from ..models.delivery_queries import standing_of
from ..rules.dead_letters import Pace, overtaken
from ..rules.doubt import is_doubted
from ..rules.routing import candidates
from ..rules.standing import Standing
from ..rules.transitions import ended, replayed
from . import gate
from .recheck import Facts, load_facts, recheck


@dataclass(frozen=True)
class Judged:
    """What becomes of one letter: `after` is None where it stays as it is, `why` is empty where it is sent again.

    `held` is the provider it would wait for; `unmended` says that the words it died of are published still.
    """

    row: Delivery
    before: Standing
    after: Standing | None
    why: str = ""
    held: str = ""
    unmended: bool = False

    @property
    def will_send(self) -> bool:
        """Whether it is sent again."""
        return not self.why

    @property
    def may_arrive_twice(self) -> bool:
        """Whether an earlier attempt may have gone out."""
        return self.will_send and is_doubted(self.before)


@dataclass(frozen=True)
class _Known:
    """What was read for a batch: beside a claim's facts the templates, and the person's other deliveries."""

    facts: Facts
    sensitive: Mapping[str, Sequence[str]]
    current: Mapping[str, int | None]
    others: Mapping[tuple[UUID, str], Sequence[tuple[int, State]]]
    also_reached: bool


def judge(rows: Sequence[Delivery], now: datetime, pace: Pace, *, also_reached: bool) -> list[Judged]:
    """Return what becomes of these dead letters; those that are sent take their turns from `pace`, most urgent first.

    `also_reached` sends to those as well whom another channel reached. The number of queries is fixed.
    """
    known = _load(rows, now, also_reached=also_reached)
    verdicts = {key: change.after for key, change in recheck(rows, known.facts).items()}
    ordered = sorted(rows, key=lambda row: (row.lane, row.expires_at is None, row.expires_at or now))
    return [_judge(row, verdicts.get(row.pk), known, pace) for row in ordered]


def _judge(row: Delivery, verdict: Standing | None, known: _Known, pace: Pace) -> Judged:
    before, now = standing_of(row), known.facts.now
    if verdict is not None and verdict.state == State.DEAD:
        return Judged(row, before, None, Refusal.CATEGORY)
    if verdict is not None and verdict.state != State.PENDING:
        why = f"{verdict.state}: {verdict.reason}".removesuffix(": ")
        return Judged(row, before, ended(before, verdict.state, verdict.reason, now), why)
    notification = known.facts.notifications[row.notification_id]
    faster = overtaken(row.step, known.others.get((row.notification_id, row.recipient), ()))
    if faster == Refusal.REACHED and not known.also_reached:
        return Judged(row, before, ended(before, State.CANCELLED, Reason.FALLBACK, now), faster)
    if faster == Refusal.TRYING and not known.also_reached:
        return Judged(row, before, None, faster)
    if _is_erased(row, notification, known):
        return Judged(row, before, None, Refusal.ERASED)
    device = known.facts.devices.get(row.device_id) if row.device_id else None
    platform, token_type = (device.platform, device.token_type) if device else ("", "")
    aliases = candidates(conf.get().routes.get(Channel(row.channel), ()), row.address, platform)
    serving = [alias for alias in aliases if gate.can_serve(alias, platform, token_type)]
    if not serving:
        return Judged(row, before, None, Refusal.NO_ROUTE)
    turn = pace.turn()
    if row.expires_at is not None and turn >= row.expires_at:
        return Judged(row, before, None, Refusal.TOO_LATE)
    pace.take()
    held = "" if any(gate.held_until(alias, platform) is None for alias in serving) else serving[0]
    unmended = row.reason == Reason.RENDER_ERROR and known.current.get(notification.template) in (
        None,
        notification.version_id,
    )
    return Judged(row, before, _waiting(before, verdict, turn, now), held=held, unmended=unmended)


def _waiting(before: Standing, verdict: Standing | None, turn: datetime, now: datetime) -> Standing:
    """Return the standing of a letter that is sent again: due at its turn, or later where something parks it."""
    again = replayed(before, now)._replace(fallback_at=None)
    if verdict is not None and verdict.due_at > turn:
        return again._replace(reason=verdict.reason, due_at=verdict.due_at)
    return again._replace(reason=Reason.PACED, due_at=turn) if turn > now else again


def _is_erased(row: Delivery, notification: Notification, known: _Known) -> bool:
    if notification.secrets:
        return False
    names = known.sensitive.get(notification.template, ())
    return any(name not in notification.data and name not in (row.data or {}) for name in names)


def _load(rows: Sequence[Delivery], now: datetime, *, also_reached: bool) -> _Known:
    facts = load_facts(rows, now)
    slugs = {item.template for item in facts.notifications.values()}
    templates = list(Template.objects.filter(slug__in=slugs).values("slug", "sensitive", "current_id"))
    return _Known(
        facts,
        sensitive={item["slug"]: item["sensitive"] for item in templates},
        current={item["slug"]: item["current_id"] for item in templates},
        others=Delivery.objects.siblings(rows),
        also_reached=also_reached,
    )


def refusals(judged: Sequence[Judged]) -> Counter[str]:
    """Return how many are not sent, by why."""
    return Counter(str(item.why) for item in judged if item.why)
