"""The Python door: `notify()` and `broadcast()`, in the caller's own transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from .declarations import AudienceReference, TemplateDeclaration
from .exceptions import RequestRejected
from .flows.accept import accept
from .flows.launch import BroadcastRequest, launch
from .flows.refuse import refuse
from .flows.requests import PYTHON, Request
from .models import Broadcast, Notification

logger = logging.getLogger("notifications")


def notify(  # noqa: PLR0913 - the public contract
    recipient: object,
    template: str | TemplateDeclaration,
    data: Mapping[str, object] | None = None,
    *,
    channels: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    send_at: datetime | None = None,
    ttl: timedelta | int | None = None,
    collapse_key: str | None = None,
    tags: Sequence[str] = (),
) -> Notification:
    """Notify one user or `Address`; it joins the caller's transaction, so a rollback sends nothing.

    `ttl` is a timedelta or seconds, `send_at` an aware datetime, `channels` narrows the category's. A preference is
    an outcome that the returned notification's deliveries tell, never an exception.

    Raises:
        UnknownTemplate, UnknownRecipient, InvalidData, IdempotencyConflict: all `RequestRejected`; nothing was
            stored and the caller's transaction is intact.
    """
    request = Request(
        recipient=recipient,
        template=slug_of(template),
        data=dict(data or {}),
        channels=tuple(channels or ()),
        idempotency_key=idempotency_key,
        send_at=send_at,
        ttl=duration(ttl),
        collapse_key=collapse_key or "",
        tags=tuple(tags),
    )
    try:
        accepted = accept(request)
    except RequestRejected as error:
        logger.warning("refused: %s: %s", type(error).__name__, ", ".join(item.code for item in error.problems))
        refuse(error, template=request.template, recipient=recipient, owner=PYTHON)
        raise
    return Notification.objects.get(pk=accepted.notification_id)


def broadcast(  # noqa: PLR0913 - the public contract
    template: str | TemplateDeclaration,
    audience: AudienceReference | Mapping[str, object],
    data: Mapping[str, object] | None = None,
    *,
    exclude: AudienceReference | Mapping[str, object] | None = None,
    channels: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    send_at: datetime | None = None,
    ttl: timedelta | int | None = None,
    rate: int | None = None,
    draft: bool = False,
    ramp_up: bool | int = False,
) -> Broadcast:
    """Notify an audience: returns at once, planned and sent in the background, exactly one message per device.

    `rate` is messages per second. With `ramp_up` it starts with 100 in the first minute and doubles each minute, until
    the rate is reached or ten minutes (or as many as are given) are over. The audience is a reference
    (`followers(author_id=7)`) or a dict as over HTTP.

    Raises:
        UnknownTemplate, InvalidData, IdempotencyConflict: all `RequestRejected`; nothing was stored.
    """
    request = BroadcastRequest(
        template=slug_of(template),
        audience=_stored(audience) or {},
        data=dict(data or {}),
        exclude=_stored(exclude),
        channels=tuple(channels or ()),
        idempotency_key=idempotency_key,
        send_at=send_at,
        ttl=duration(ttl),
        rate=rate,
        draft=draft,
        ramp_up=ramp_up,
    )
    with transaction.atomic():
        accepted = launch(request)
    return Broadcast.objects.get(notification_id=accepted.notification_id)


def slug_of(template: str | TemplateDeclaration) -> str:
    """Return a template's slug."""
    return template.slug if isinstance(template, TemplateDeclaration) else template


def duration(value: timedelta | int | None) -> timedelta | None:
    """Return a duration given as a timedelta or in seconds."""
    return timedelta(seconds=value) if isinstance(value, int) else value


def _stored(audience: AudienceReference | Mapping[str, object] | None) -> dict[str, object] | None:
    if isinstance(audience, AudienceReference):
        return {"name": audience.name, "params": dict(audience.params)}
    return dict(audience) if audience is not None else None
