"""Plan: decide for a page of recipients who gets what, when and where, and write the deliveries set-wise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings

from .. import conf
from ..enums import Channel, Priority
from ..models import Category, Delivery, NewDelivery, Notification, Suppression
from ..rules.fallback import is_unreachable, steps
from ..rules.identity import client_number, delivery_ids
from ..rules.planning import Person, Plan, Planned, Target, decide
from .compose import channels_with_words
from .record import insert
from .restored import doubt_planned

_Personal = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Circumstances:
    """What planning goes by besides message and people: the moment, suppressed (channel, hash), variables of their own.

    Steps before the first one are left out.
    """

    now: datetime
    suppressed: Collection[tuple[str, str]]
    first_step: int = 0
    personal: _Personal = field(default_factory=dict)


def plan(
    notification: Notification,
    category: Category,
    people: Sequence[Person],
    now: datetime,
    *,
    first_step: int = 0,
    personal: _Personal | None = None,
) -> list[Delivery]:
    """Plan the deliveries of one notification to some people, write them and return them.

    Who cannot be reached at all in one step is planned for the next (the fallback channels) at once.
    `personal` gives variables of single recipients. Planning the same people again changes nothing.
    """
    made = foresee_at(notification, category, people, _read(people, now, first_step, personal or {}))
    _write(notification, made)
    return [delivery_of(row) for row in made]


def plan_many(
    notification: Notification, category: Category, people: Sequence[Person], now: datetime, personal: _Personal
) -> list[NewDelivery]:
    """Plan the deliveries of one notification to a page of people as `plan` does, and return them as planned rows."""
    made = foresee_at(notification, category, people, _read(people, now, 0, personal))
    _write(notification, made)
    return made


def foresee(
    notification: Notification,
    category: Category,
    people: Sequence[Person],
    now: datetime,
    *,
    first_step: int = 0,
    personal: _Personal | None = None,
) -> list[Delivery]:
    """Return the deliveries that `plan` would write at a moment, without writing them."""
    at = _read(people, now, first_step, personal or {})
    return [delivery_of(row) for row in foresee_at(notification, category, people, at)]


def steps_of(notification: Notification, category: Category) -> list[list[Channel]]:
    """Return the channels of this notification, step by step."""
    return steps(
        [Channel(item) for item in category.channels],
        [Channel(item) for item in category.fallback],
        notification.channels,
    )


def foresee_at(
    notification: Notification, category: Category, people: Sequence[Person], at: Circumstances
) -> list[NewDelivery]:
    """Return the rows that `plan` would write, without any statement: all that has to be read was read before."""
    suppressed, now = at.suppressed, at.now
    allows = conf.get().allows
    made: list[NewDelivery] = []

    def is_suppressed(target: Target) -> bool:
        return (target.channel, target.address_hash) in suppressed

    all_steps = steps_of(notification, category)
    for number, channels in enumerate(all_steps):
        if number < at.first_step or not people:
            continue
        rules = _rules(notification, category, channels, now)
        lane = Priority(category.priority).lane
        row = _rows(notification, now, number, lane)
        unreached = []
        for person in people:
            decided = decide(person, rules, is_suppressed, allows)
            own = at.personal.get(person.recipient)
            made += [row(person, planned, own) for planned in decided]
            if number + 1 < len(all_steps) and is_unreachable([(planned.state, planned.reason) for planned in decided]):
                unreached.append(person)
        people = unreached
    return made


def _write(notification: Notification, made: Sequence[NewDelivery]) -> None:
    insert(made)
    doubt_planned(notification, [row.id for row in made])


def _rules(notification: Notification, category: Category, channels: Sequence[Channel], now: datetime) -> Plan:
    return Plan(
        category=category.slug,
        mandatory=category.mandatory,
        channels=channels,
        with_words=channels_with_words(notification.words_id),
        now=now,
        default_zone=ZoneInfo(settings.TIME_ZONE),
        send_at=notification.send_at,
        expires_at=notification.expires_at,
        sms_countries=conf.get().abuse.sms_countries,
    )


def _read(people: Sequence[Person], now: datetime, first_step: int, personal: _Personal) -> Circumstances:
    hashes = {target.address_hash for person in people for target in person.targets}
    return Circumstances(now, Suppression.objects.active_among(hashes, now), first_step, personal)


def _rows(
    notification: Notification, now: datetime, step: int, lane: int
) -> Callable[[Person, Planned, Mapping[str, object] | None], NewDelivery]:
    """Return what makes the row of a decision; by position, since it is made for each of a million."""
    key, expires_at = notification.pk, notification.expires_at
    new_id = delivery_ids(key)
    # A broadcast has no recipient of its own; broadcasts share a lane by how far each may plan ahead.
    client = client_number(notification.owner) if notification.recipient else None

    def row(person: Person, planned: Planned, own: Mapping[str, object] | None) -> NewDelivery:
        channel, target, state, reason, due_at, zone = planned
        if target is None:
            device, address, identity, locale = None, "", "", person.locale
        else:
            device, address, locale = target.device_id, target.address, target.locale or person.locale
            identity = device or target.address_hash
        return NewDelivery(
            *(new_id(person.recipient, channel, identity), key, person.recipient, channel, step, lane, device, address),
            *(locale, zone.key, own, state, reason, due_at, expires_at, now),
            client,
        )

    return row


def delivery_of(row: NewDelivery) -> Delivery:
    """Return a planned row as an instance, as it is presented."""
    device_id = UUID(row.device_id) if row.device_id else None
    return Delivery(**row._replace(id=UUID(row.id), device_id=device_id)._asdict())  # type: ignore[arg-type]
