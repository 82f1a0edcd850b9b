"""Plan: decide for a page of recipients who gets what, when and where, and write the deliveries set-wise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from .. import conf
from ..enums import Channel, Priority
from ..models import Category, Delivery, Notification, Suppression
from ..rules.fallback import is_unreachable, steps
from ..rules.identity import delivery_id
from ..rules.planning import Person, Plan, Planned, Target, decide
from .compose import channels_with_words
from .record import insert


@dataclass(frozen=True)
class Circumstances:
    """What planning goes by besides message and people: the moment, suppressed (channel, hash), variables of their own.

    Steps before the first one are left out.
    """

    now: datetime
    suppressed: Collection[tuple[str, str]]
    first_step: int = 0
    personal: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def plan(
    notification: Notification,
    category: Category,
    people: Sequence[Person],
    now: datetime,
    *,
    first_step: int = 0,
    personal: Mapping[str, Mapping[str, object]] | None = None,
) -> list[Delivery]:
    """Plan the deliveries of one notification to a page of people, write them and return them.

    Who cannot be reached at all in one step is planned for the next (the fallback channels) at once.
    `personal` gives variables of single recipients. Planning the same people again changes nothing.
    """
    made = foresee(notification, category, people, now, first_step=first_step, personal=personal)
    insert(made)
    return made


def foresee(
    notification: Notification,
    category: Category,
    people: Sequence[Person],
    now: datetime,
    *,
    first_step: int = 0,
    personal: Mapping[str, Mapping[str, object]] | None = None,
) -> list[Delivery]:
    """Return the deliveries that `plan` would write at a moment, without writing them."""
    suppressed = _suppressed([target for person in people for target in person.targets], now)
    return foresee_at(notification, category, people, Circumstances(now, suppressed, first_step, personal or {}))


def foresee_at(
    notification: Notification, category: Category, people: Sequence[Person], at: Circumstances
) -> list[Delivery]:
    """Return the same without any statement, where all that has to be read was read before."""
    made: list[Delivery] = []
    for number, channels in enumerate(steps_of(notification, category)):
        if number < at.first_step or not people:
            continue
        rules = _rules(notification, category, channels, at.now)
        unreached = []
        for person in people:
            decided = decide(
                person, rules, lambda target: (target.channel, target.address_hash) in at.suppressed, conf.get().allows
            )
            own = at.personal.get(person.recipient)
            made += [_row(notification, person, rules, planned, (number, category, own)) for planned in decided]
            if is_unreachable((planned.state, planned.reason) for planned in decided):
                unreached.append(person)
        people = unreached
    return made


def steps_of(notification: Notification, category: Category) -> list[list[Channel]]:
    """Return the channels of this notification, step by step."""
    return steps(
        [Channel(item) for item in category.channels],
        [Channel(item) for item in category.fallback],
        notification.channels,
    )


def _rules(notification: Notification, category: Category, channels: Sequence[Channel], now: datetime) -> Plan:
    return Plan(
        category=category.slug,
        mandatory=category.mandatory,
        channels=channels,
        with_words=channels_with_words(notification.unsent_version_id or notification.version_id),
        now=now,
        default_zone=ZoneInfo(settings.TIME_ZONE),
        send_at=notification.send_at,
        expires_at=notification.expires_at,
    )


def _suppressed(targets: Sequence[Target], now: datetime) -> set[tuple[str, str]]:
    return Suppression.objects.active_among({target.address_hash for target in targets}, now)


def _row(
    notification: Notification,
    person: Person,
    rules: Plan,
    planned: Planned,
    given: tuple[int, Category, Mapping[str, object] | None],
) -> Delivery:
    step, category, own = given
    target = planned.target
    identity = str(target.device_id or target.address_hash) if target else ""
    return Delivery(
        id=delivery_id(notification.pk, person.recipient, planned.channel, identity),
        notification_id=notification.pk,
        recipient=person.recipient,
        channel=planned.channel,
        step=step,
        lane=Priority(category.priority).lane,
        device_id=target.device_id if target else None,
        address=target.address if target else "",
        locale=(target.locale if target else "") or person.locale,
        time_zone=planned.zone.key,
        data=own,
        state=planned.state,
        reason=planned.reason,
        due_at=planned.due_at,
        expires_at=notification.expires_at,
        updated_at=rules.now,
    )
