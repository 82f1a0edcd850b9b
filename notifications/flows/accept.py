"""Accept: one short transaction that makes requests durable, or for each a clear refusal that stores nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from django.db import transaction

from ..cipher import encrypt
from ..enums import State
from ..exceptions import IdempotencyConflict, RequestRejected
from ..models import Delivery, NewDelivery, Notification, Template
from ..models.accept_queries import Keyed, Known
from ..rules.identity import user_key
from ..rules.planning import Person
from ..wakeups import wake_on_commit
from .asked import Asked, check_requests
from .idempotency import Keys
from .plan import Circumstances, delivery_of, foresee_at
from .record import insert
from .requests import Accepted, Request
from .templates import published

logger = logging.getLogger("notifications.accepted")
Present: TypeAlias = Callable[[Notification, list[Delivery]], object]


def accept(request: Request, present: Present = lambda *_: None) -> Accepted:
    """Accept a request: afterwards (once the caller's transaction commits) it is in PostgreSQL and will be acted upon.

    `present` makes the response that is stored with the idempotency key and replayed.

    Raises:
        RequestRejected: nothing was stored; the caller's transaction is intact.
    """
    (outcome,) = accept_all([request], present)
    if isinstance(outcome, RequestRejected):
        raise outcome
    return outcome


def accept_all(requests: Sequence[Request], present: Present) -> list[Accepted | RequestRejected]:
    """Accept any number of requests, each by itself, in the statements of one; return what became of each, in order."""
    asked = check_requests(requests)  # template, recipient, variables: all that can be wrong is found here
    sound = [item for item in asked if isinstance(item, Asked)]
    if not sound:
        return [item for item in asked if not isinstance(item, Asked)]
    with transaction.atomic():
        # Keys are tried and never waited for; the same statement tells the time, and which addresses are suppressed.
        keys = Keys.hold([item.key for item in sound if item.key], _hashes_of(sound))
        made = [_make(item, keys, present) for item in sound if keys.take(item.key)]
        # Not stored is what somebody else has stored under the key between our look and our lock.
        stored = Notification.objects.store([_keyed(item) for item in made]) if made else set()
        new = {item.asked: item for item in made if item.notification.pk in stored}
        insert([row for item in new.values() for row in item.rows])
        keys.settle({item.asked.key: _known(item) for item in new.values()})
        wake_on_commit(channel for item in new.values() for channel in _due_channels(item.rows, keys.now))
    return [_outcome(item, new, keys) for item in asked]


@dataclass(frozen=True)
class _Made:
    """What a request that is new leads to."""

    asked: Asked
    notification: Notification
    rows: list[NewDelivery]
    response: object


def _make(asked: Asked, keys: Keys, present: Present) -> _Made:
    template = asked.template
    notification = draft(asked.request, template, asked.person, keys.now)
    notification.data = asked.public
    notification.secrets = encrypt(asked.secret) if asked.secret else None
    at = Circumstances(keys.now, keys.suppressed)
    rows = foresee_at(notification, template.category, [asked.person], at)
    return _Made(asked, notification, rows, present(notification, [delivery_of(row) for row in rows]))


def _ids(notification: Notification) -> dict[str, str]:
    return {"notification": str(notification.pk), "request_id": notification.request_id}


def _keyed(made: _Made) -> Keyed:
    key = made.asked.request.idempotency_key
    return Keyed(made.notification, key, made.asked.fingerprint, made.response)


def _known(made: _Made) -> Known:
    return Known(made.notification.pk, made.asked.fingerprint, made.response)


def _due_channels(deliveries: Sequence[NewDelivery], now: datetime) -> Iterator[str]:
    return (row.channel for row in deliveries if row.state == State.PENDING and row.due_at <= now)


def _outcome(
    asked: Asked | Accepted | RequestRejected, new: dict[Asked, _Made], keys: Keys
) -> Accepted | RequestRejected:
    if not isinstance(asked, Asked):
        return asked
    if asked in new:
        logger.debug("accepted", extra=_ids(new[asked].notification))
        return Accepted(new[asked].notification.pk, new[asked].response)
    try:
        earlier = keys.answer(asked.key, asked.fingerprint)
    except IdempotencyConflict as conflict:
        return conflict
    return Accepted(earlier.notification_id, earlier.response, replayed=True)


def _hashes_of(asked: Sequence[Asked]) -> set[str]:
    return {target.address_hash for item in asked for target in item.person.targets}


def draft(request: Request, template: Template, person: Person, now: datetime) -> Notification:
    """Return the notification that a request makes, unsaved and without its variables."""
    ttl = request.ttl or template.category.ttl
    start = max(now, request.send_at) if request.send_at else now
    return Notification(
        recipient=person.recipient,
        template=template.slug,
        category=template.category.slug,
        version_id=request.version_id or published(template),
        channels=list(request.channels),
        tags=list(request.tags),
        addresses={} if user_key(person.recipient) else {item.channel: item.address for item in person.targets},
        locale=person.locale,
        time_zone=person.zone.key if person.zone else "",
        collapse_key=request.collapse_key,
        send_at=request.send_at,
        expires_at=start + ttl if ttl else None,
        resend_of=request.resend_of,
        owner=request.owner,
        request_id=request.request_id,
        created_at=now,
    )
