"""Launch: accept a broadcast in one short transaction; planning follows in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from ..enums import BroadcastStatus, Channel
from ..exceptions import InvalidData, Problem, UnknownTemplate
from ..models import Broadcast, Category, Delivery, IdempotencyKey, Notification, Template
from ..models.accept_queries import Known
from ..rules.grants import EVERYTHING, Grant
from ..rules.ramp import MOST_MINUTES, USUAL_MINUTES
from ..wakeups import PLAN_JOB, wake_on_commit
from .audiences import as_stored, members, own_variables
from .grants import assert_may_send
from .idempotency import fingerprint_of, fingerprint_of_refused, hold_key, keep_key
from .personal import annotation_problems
from .plan import steps_of
from .requests import PYTHON, Accepted, Request, check_request
from .templates import find_template, published


@dataclass(frozen=True)
class BroadcastRequest:
    """One call of `broadcast()` or `POST broadcasts/`, as the caller wrote it."""

    template: str
    audience: Mapping[str, object]
    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    exclude: Mapping[str, object] | None = None
    channels: tuple[str, ...] = ()
    idempotency_key: str | None = None
    send_at: datetime | None = None
    ttl: timedelta | None = None
    rate: int | None = None
    draft: bool = False
    ramp_up: bool | int | None = None
    owner: str = PYTHON
    request_id: str = ""
    grant: Grant = EVERYTHING


def launch(request: BroadcastRequest, present: Callable[[Broadcast], object] = lambda _: None) -> Accepted:
    """Accept a broadcast and return at once; a worker plans it page by page.

    Raises:
        RequestRejected: nothing was stored.
    """
    try:
        template = find_template(request.template)
        check_broadcast(request, template)
    except (InvalidData, UnknownTemplate) as refusal:
        earlier = _accepted_before(request, refusal)
        if earlier is None:
            raise
        return Accepted(earlier.notification_id, earlier.response, replayed=True)
    request = _as_stored(request)
    fingerprint = fingerprint_of(_canonical(request))
    with transaction.atomic():
        if request.idempotency_key is not None:
            earlier = hold_key(request.owner, request.idempotency_key, fingerprint)
            if earlier is not None:
                return Accepted(earlier.notification_id, earlier.response, replayed=True)
        now = Delivery.objects.database_now()
        notification = notification_of(request, template, now)
        notification.save(force_insert=True)
        made = Broadcast.objects.create(
            notification_id=notification.pk,
            status=_first_status(request, now),
            audience=request.audience,
            exclude=request.exclude,
            per_second=request.rate,
            ramp_minutes=USUAL_MINUTES if request.ramp_up is True else request.ramp_up or None,
            send_at=request.send_at,
        )
        response = present(made)
        if request.idempotency_key is not None:
            keep_key(request.owner, request.idempotency_key, fingerprint, notification.pk, response)
        if made.status == BroadcastStatus.PLANNING:
            wake_planner(notification, made.pk)
    return Accepted(notification.pk, response)


def wake_planner(notification: Notification, broadcast_id: UUID) -> None:
    """Ask a worker of the broadcast's first channel to plan, once the transaction has committed."""
    category = Category.objects.get(slug=notification.category)
    channels = [channel for step in steps_of(notification, category) for channel in step]
    # One that has none left is planned by anybody: somebody must find out, and stop it.
    wake_on_commit((channels or list(Channel))[:1], PLAN_JOB, str(broadcast_id))


def expiry_at_launch(notification: Notification, made: Broadcast, now: datetime) -> datetime | None:
    """Return when a broadcast expires that is launched now: its life runs from then, not from when it was drafted."""
    if notification.expires_at is None:
        return None
    lifetime = notification.expires_at - max(notification.created_at, made.send_at or notification.created_at)
    return max(now, made.send_at or now) + lifetime


def check_broadcast(request: BroadcastRequest, template: Template) -> None:
    """Return if a broadcast can be launched as it was asked for.

    Raises:
        InvalidData: it cannot; every problem is listed.
        NotAllowed, SandboxOnly: the caller's key is for something else.
    """
    assert_may_send(request.grant, template)
    audience = members(request.audience)
    if request.exclude is not None:
        members(request.exclude, "/exclude")
    check_request(
        Request(None, request.template, request.data, request.channels, None, request.send_at, request.ttl),
        template,
        per_recipient=own_variables(audience),
    )
    problems = annotation_problems(audience, template, request.data)
    if problems:
        raise InvalidData("The audience cannot bring these variables.", *problems)
    if template.sensitive:
        problem = Problem("/template", "sensitive", "send it to each recipient by itself")
        raise InvalidData("A template with sensitive variables cannot be broadcast.", problem)
    if request.rate is not None and request.rate < 1:
        problem = Problem("/rate", "not_positive", "messages per second, at least 1")
        raise InvalidData("The rate cannot be used.", problem)
    ramp: object = request.ramp_up  # callers from Python may pass anything
    if ramp is not None and not (isinstance(ramp, bool) or (isinstance(ramp, int) and 1 <= ramp <= MOST_MINUTES)):
        problem = Problem("/ramp_up", "out_of_range", f"true, false, or whole minutes from 1 to {MOST_MINUTES}")
        raise InvalidData("The ramp cannot be used.", problem)


def notification_of(request: BroadcastRequest, template: Template, now: datetime) -> Notification:
    """Return the one notification of a broadcast, not saved."""
    ttl = request.ttl or template.category.ttl
    start = max(now, request.send_at) if request.send_at else now
    return Notification(
        template=template.slug,
        category=template.category.slug,
        version_id=published(template),
        data=dict(request.data),
        channels=list(request.channels),
        send_at=request.send_at,
        expires_at=start + ttl if ttl else None,
        owner=request.owner,
        request_id=request.request_id,
        created_at=now,
    )


def _accepted_before(request: BroadcastRequest, refusal: InvalidData | UnknownTemplate) -> Known | None:
    """Return what a request led to that cannot be accepted as things are now, if its key says that it was before."""
    key = request.idempotency_key
    # With a template its category is gone: for a key that is for certain categories, nobody can tell any more.
    is_theirs = isinstance(refusal, InvalidData) or request.grant.covers(request.template, "")
    fingerprint = fingerprint_of_refused(key, lambda: _canonical(_as_stored(request)))
    if key is None or fingerprint is None or not is_theirs:
        return None
    known = IdempotencyKey.objects.known([(request.owner, key)]).get((request.owner, key))
    return known if known is not None and known.fingerprint == fingerprint else None


def _first_status(request: BroadcastRequest, now: datetime) -> BroadcastStatus:
    if request.draft:
        return BroadcastStatus.DRAFT
    return BroadcastStatus.SCHEDULED if request.send_at and request.send_at > now else BroadcastStatus.PLANNING


def _as_stored(request: BroadcastRequest) -> BroadcastRequest:
    exclude = as_stored(request.exclude, "/exclude") if request.exclude is not None else None
    return replace(request, audience=as_stored(request.audience), exclude=exclude)


def _canonical(request: BroadcastRequest) -> dict[str, object]:
    names = ("template", "audience", "data", "exclude", "channels", "send_at", "ttl", "rate", "draft")
    asked = {"broadcast": True, **{name: getattr(request, name) for name in names}}
    # A key that was used before there were ramps still stands for the same request.
    return {**asked, "ramp_up": request.ramp_up} if request.ramp_up else asked
