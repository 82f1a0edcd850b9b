"""Accept: one short transaction that makes a request durable, or one clear refusal that stores nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from ..cipher import encrypt
from ..enums import State
from ..models import Delivery, Notification, Template
from ..rules.identity import user_key
from ..rules.planning import Person
from ..wakeups import wake_on_commit
from .idempotency import fingerprint_of, hold_key, keep_key
from .plan import plan
from .recipients import find_recipient
from .requests import Accepted, Request, check_request
from .templates import find_template, published


def accept(request: Request, present: Callable[[Notification, list[Delivery]], object] = lambda *_: None) -> Accepted:
    """Accept a request: afterwards (once the caller's transaction commits) it is in PostgreSQL and will be acted upon.

    `present` makes the response that is stored with the idempotency key and replayed.

    Raises:
        RequestRejected: nothing was stored; the caller's transaction is intact.
    """
    template = find_template(request.template)
    person = find_recipient(request.recipient)
    public, secret = check_request(request, template)
    fingerprint = fingerprint_of(_canonical(request, person))
    with transaction.atomic():
        if request.idempotency_key is not None:
            earlier = hold_key(request.owner, request.idempotency_key, fingerprint)
            if earlier is not None:
                return Accepted(earlier.notification_id, earlier.response, replayed=True)
        now = Delivery.objects.database_now()
        notification = draft(request, template, person, now)
        notification.data = public
        notification.secrets = encrypt(secret) if secret else None
        notification.save(force_insert=True)
        deliveries = plan(notification, template.category, [person], now)
        response = present(notification, deliveries)
        if request.idempotency_key is not None:
            keep_key(request.owner, request.idempotency_key, fingerprint, notification.pk, response)
        wake_on_commit(row.channel for row in deliveries if row.state == State.PENDING and row.due_at <= now)
    return Accepted(notification.pk, response)


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


def _addressed(person: Person) -> dict[str, str] | None:
    """Return all that was said of somebody without an account; a user's own data may change between two tries."""
    if user_key(person.recipient) is not None:
        return None
    said = {str(target.channel): target.address for target in person.targets}
    return {**said, "locale": person.locale, "time_zone": person.zone.key if person.zone else ""}


def _canonical(request: Request, person: Person) -> dict[str, object]:
    return {
        "recipient": person.recipient,
        "to": _addressed(person),
        "template": request.template,
        "data": request.data,
        "channels": sorted(request.channels),
        "send_at": request.send_at,
        "ttl": request.ttl.total_seconds() if request.ttl else None,
        "collapse_key": request.collapse_key,
        "tags": sorted(request.tags),
    }
