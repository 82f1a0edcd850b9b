"""Whether, when and where one recipient is notified: for single and broadcast planning alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..enums import Channel, Reason, State
from .abuse import may_text
from .preferences import NO_WISHES, Wishes, is_wanted, is_wanted_on
from .quiet_hours import first_allowed


# Tuples, of which a million recipients need some millions: a frozen dataclass takes several times as long to make.
class Target(NamedTuple):
    """One place where a recipient can be reached on a channel; a device's id is its text."""

    channel: Channel
    address: str
    address_hash: str
    device_id: str | None = None
    platform: str = ""
    token_type: str = ""
    locale: str = ""
    zone: ZoneInfo | None = None


class Person(NamedTuple):
    """What planning knows of one recipient."""

    recipient: str
    wishes: Wishes = NO_WISHES
    targets: tuple[Target, ...] = ()
    locale: str = ""
    zone: ZoneInfo | None = None
    lacks_variable: bool = False


@dataclass(frozen=True)
class Plan:
    """What planning knows of the message."""

    category: str
    mandatory: bool
    channels: Sequence[Channel]
    with_words: Collection[str]
    now: datetime
    default_zone: ZoneInfo
    send_at: datetime | None = None
    expires_at: datetime | None = None
    sms_countries: Collection[str] | None = None


class Planned(NamedTuple):
    """One delivery as decided: to a target, or to nobody with the reason."""

    channel: Channel
    target: Target | None
    state: State
    reason: Reason
    due_at: datetime
    zone: ZoneInfo


def decide(
    person: Person, plan: Plan, is_suppressed: Callable[[Target], bool], is_guest: Callable[[str], bool]
) -> list[Planned]:
    """Return one decision per channel and target, in the order of the plan's channels.

    Order of the rules: words, variables, preference, address, guest list, country, suppression, expiry, schedule,
    quiet hours.
    """
    decided: list[Planned] = []
    for channel in plan.channels:
        zone = person.zone or plan.default_zone
        refusal = _channel_refusal(person, plan, channel)
        targets = [target for target in person.targets if target.channel == channel]
        if refusal is None and not targets:
            refusal = Reason.NO_ADDRESS
        if refusal is not None:
            decided.append(Planned(channel, None, State.SKIPPED, refusal, plan.now, zone))
            continue
        decided += [
            _decide_target(person, plan, target, is_suppressed(target), is_guest(target.address)) for target in targets
        ]
    return decided


def when(person: Person, plan: Plan, zone: ZoneInfo) -> tuple[State, Reason, datetime]:
    """Return the state, reason and due time that schedule, quiet hours and expiry give a message.

    Expiry beats deferral: what would go out too late is expired now, not in the morning.
    """
    start = max(plan.now, plan.send_at) if plan.send_at else plan.now
    reason = Reason.SCHEDULED if start > plan.now else Reason.NEW
    due = start
    if not plan.mandatory and person.wishes.quiet_hours:
        due = first_allowed(start, person.wishes.quiet_hours, zone)
        if due > start:
            reason = Reason.QUIET_HOURS
    if plan.expires_at is not None and due >= plan.expires_at:
        return State.EXPIRED, Reason.TTL, plan.now
    return State.PENDING, reason, due


def _channel_refusal(person: Person, plan: Plan, channel: Channel) -> Reason | None:
    if channel not in plan.with_words:
        return Reason.NO_TEMPLATE
    if person.lacks_variable:
        return Reason.NO_VARIABLE
    if not is_wanted(person.wishes, plan.category, channel, mandatory=plan.mandatory):
        return Reason.PREFERENCE
    return None


def _decide_target(person: Person, plan: Plan, target: Target, suppressed: bool, guest: bool) -> Planned:  # noqa: FBT001
    zone = target.zone or person.zone or plan.default_zone
    if not is_wanted_on(person.wishes, target.device_id, mandatory=plan.mandatory):
        return Planned(target.channel, target, State.SKIPPED, Reason.PREFERENCE, plan.now, zone)
    if not guest:
        return Planned(target.channel, target, State.SKIPPED, Reason.GUEST_LIST, plan.now, zone)
    if target.channel == Channel.SMS and not may_text(target.address, plan.sms_countries):
        return Planned(target.channel, target, State.SKIPPED, Reason.LIMIT, plan.now, zone)
    if suppressed:
        return Planned(target.channel, target, State.SKIPPED, Reason.SUPPRESSION, plan.now, zone)
    state, reason, due = when(person, plan, zone)
    return Planned(target.channel, target, state, reason, due, zone)
