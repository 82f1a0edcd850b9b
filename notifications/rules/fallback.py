"""When and whereto a message falls back: decided over all of a recipient's deliveries of one notification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..enums import TAKEN_STATES, Channel, Reason, State
from .standing import Standing

_UNSENDABLE_SKIPS = frozenset(
    {Reason.NO_ADDRESS, Reason.SUPPRESSION, Reason.DEVICE_GONE, Reason.NO_TEMPLATE, Reason.LIMIT}
)
_FAILED = frozenset({State.FAILED, State.BOUNCED, State.DEAD})


@dataclass(frozen=True)
class Verdict:
    """What to do about one step: fall back now, look again later, or leave it."""

    fall_back: bool
    again_at: datetime | None = None


def steps(channels: Sequence[Channel], fallback: Sequence[Channel], only: Sequence[str]) -> list[list[Channel]]:
    """Return the channels to plan step by step: the primary ones together, then each fallback by itself.

    `only` narrows both; empty means all.
    """
    wanted = [[channel for channel in channels if not only or channel in only]]
    wanted += [[channel] for channel in fallback if not only or channel in only]
    return [step for step in wanted if step]


def has_failed(state: State, reason: Reason) -> bool:
    """Whether a delivery can be given up as far as its channel is concerned."""
    return state in _FAILED or (state == State.SKIPPED and reason in _UNSENDABLE_SKIPS)


def is_unreachable(decided: Iterable[tuple[State, Reason]]) -> bool:
    """Whether a step, as planned, cannot reach the recipient at all; skips by their own will do not count."""
    relevant = [
        has_failed(state, reason) for state, reason in decided if state != State.SKIPPED or has_failed(state, reason)
    ]
    return bool(relevant) and all(relevant)


def judge(standings: Iterable[Standing], now: datetime, *, confirmed_only: bool) -> Verdict:
    """Judge one step's deliveries: a step has failed when all of it has, or is overdue.

    `confirmed_only` asks for `delivered` where the provider reports it: a delivery that is `sent` beyond its
    `fallback_at` then counts as overdue.
    """
    later: list[datetime] = []
    # What was skipped because the recipient (or this installation) wants it so says nothing about the channel.
    relevant = [item for item in standings if item.state != State.SKIPPED or has_failed(item.state, item.reason)]
    if not relevant:
        return Verdict(fall_back=False)
    for standing in relevant:
        if has_failed(standing.state, standing.reason):
            continue
        overdue = standing.fallback_at is not None and standing.fallback_at <= now
        waits_in_vain = standing.state in (State.PENDING, State.UNCERTAIN) and overdue
        unconfirmed = standing.state == State.SENT and overdue and confirmed_only
        if waits_in_vain or unconfirmed:
            continue
        if (
            standing.fallback_at is not None
            and standing.fallback_at > now
            and standing.state not in (TAKEN_STATES - {State.SENT})
        ):
            later.append(standing.fallback_at)
            continue
        return Verdict(fall_back=False)
    if later:
        return Verdict(fall_back=False, again_at=min(later))
    return Verdict(fall_back=True)


def patience(category_patience: timedelta, left: timedelta | None) -> timedelta:
    """Return how long a closed door is waited at: never more than half of what is left of the time to live."""
    return category_patience if left is None else max(timedelta(), min(category_patience, left / 2))


def is_in_trouble(standing: Standing) -> bool:
    """Whether a delivery waits because its provider failed it, so that patience runs from now."""
    waits = standing.state == State.PENDING and standing.reason in (Reason.RETRY, Reason.PACED, Reason.BREAKER_OPEN)
    return waits or standing.state == State.UNCERTAIN
