"""Broadcast: one notification to an audience, planned page by page; page and cursor in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from .. import conf
from ..enums import BroadcastStatus, State
from ..exceptions import InvalidData, Problem
from ..models import Broadcast, Category, Delivery, Notification
from ..rules.identity import new_id, user_recipient
from ..wakeups import PLAN_JOB, wake_on_commit
from .accept import PYTHON, Accepted, Request, check_request
from .audiences import members
from .idempotency import fingerprint_of, hold_key, keep_key
from .people import people_from_rows
from .plan import plan, steps_of
from .templates import find_template

_BEFORE_PLANNING = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)


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
    owner: str = PYTHON
    request_id: str = ""


def launch(request: BroadcastRequest, present: Callable[[Broadcast], object] = lambda _: None) -> Accepted:
    """Accept a broadcast and return at once; a worker plans it page by page.

    Raises:
        RequestRejected: nothing was stored.
    """
    template = find_template(request.template)
    audience = members(request.audience)
    check_request(_as_request(request), template, per_recipient=list(audience.query.annotations))
    if template.sensitive:
        raise InvalidData("A template with sensitive variables cannot be broadcast.", Problem("/template", "sensitive", ""))
    if request.rate is not None and request.rate < 1:
        raise InvalidData("The rate cannot be used.", Problem("/rate", "not_positive", "messages per second, at least 1"))
    if request.exclude is not None:
        members(request.exclude, "/exclude")
    fingerprint = fingerprint_of(_canonical(request))
    with transaction.atomic():
        if request.idempotency_key is not None:
            earlier = hold_key(request.owner, request.idempotency_key, fingerprint)
            if earlier is not None:
                return Accepted(earlier.notification_id, earlier.response, replayed=True)
        now = Delivery.objects.database_now()
        ttl = request.ttl or template.category.ttl
        start = max(now, request.send_at) if request.send_at else now
        notification = Notification.objects.create(
            template=template.slug,
            category=template.category.slug,
            version_id=template.current_id,
            data=dict(request.data),
            channels=list(request.channels),
            send_at=request.send_at,
            expires_at=start + ttl if ttl else None,
            owner=request.owner,
            request_id=request.request_id,
            created_at=now,
        )
        made = Broadcast.objects.create(
            id=new_id(),
            notification_id=notification.pk,
            status=_first_status(request, now),
            audience=dict(request.audience),
            exclude=dict(request.exclude) if request.exclude is not None else None,
            per_second=request.rate,
            send_at=request.send_at,
        )
        response = present(made)
        if request.idempotency_key is not None:
            keep_key(request.owner, request.idempotency_key, fingerprint, notification.pk, response)
        if made.status == BroadcastStatus.PLANNING:
            wake_planner(made, template.category)
    return Accepted(notification.pk, response)


def plan_page(broadcast_id: UUID) -> bool:
    """Plan the next page of a broadcast; return whether another one should follow at once.

    The row is locked meanwhile, so that two planners cannot plan one page; page and cursor commit together.
    """
    with transaction.atomic():
        made = (
            Broadcast.objects.select_for_update(skip_locked=True)
            .filter(pk=broadcast_id, status__in=_BEFORE_PLANNING)
            .first()
        )
        if made is None or (made.send_at and made.send_at > Delivery.objects.database_now()):
            return False
        notification = Notification.objects.get(pk=made.notification_id)
        category = Category.objects.get(slug=notification.category)
        if _backlog(category) > conf.BACKLOG_LIMIT:
            return False
        now = Delivery.objects.database_now()
        rows, complete = _next_rows(made)
        if made.per_second:
            # A page holds what may go out in one second; each page is due a second after the one before.
            notification.send_at = (made.started_at or now) + timedelta(seconds=made.members / made.per_second)
        written = plan(notification, category, people_from_rows(rows), now, personal=_personal(rows, notification))
        made.status = BroadcastStatus.PLANNING
        made.started_at = made.started_at or now
        made.members += len(rows)
        made.planned += len(written)
        if complete:
            made.status, made.planned_at = BroadcastStatus.SENDING, now
        if rows:
            made.cursor = str(rows[-1]["pk"])
        made.save()
        wake_on_commit(row.channel for row in written if row.state == State.PENDING)
        return made.status == BroadcastStatus.PLANNING


def wake_planner(made: Broadcast, category: Category) -> None:
    """Ask a worker of the category's first channel to plan, once the transaction has committed."""
    notification = Notification.objects.get(pk=made.notification_id)
    wake_on_commit([steps_of(notification, category)[0][0]], PLAN_JOB, str(made.pk))


def _next_rows(made: Broadcast) -> tuple[list[dict[str, object]], bool]:
    """Return the next page of users, each once, and whether it is the last."""
    size = min(conf.PAGE_SIZE, made.per_second or conf.PAGE_SIZE)
    queryset = members(made.audience).order_by("pk")
    if made.exclude is not None:
        queryset = queryset.exclude(pk__in=members(made.exclude).values("pk"))
    if made.cursor:
        queryset = queryset.filter(pk__gt=made.cursor)
    names = [*queryset.query.annotations, *set(conf.get().recipient.fields.values())]
    page = list(queryset.values("pk", *names)[:size])
    # A join may repeat a user: rows collapse by key.
    found: dict[object, dict[str, object]] = {}
    for row in page:
        found.setdefault(row["pk"], row)
    return list(found.values()), len(page) < size


def _personal(rows: list[dict[str, object]], notification: Notification) -> dict[str, dict[str, object]]:
    """Return the annotations that fill declared variables, by recipient."""
    template = find_template(notification.template)
    names = [name for name in template.variables if name not in notification.data and rows and name in rows[0]]
    if not names:
        return {}
    return {user_recipient(row["pk"]): {name: row[name] for name in names} for row in rows}


def _backlog(category: Category) -> int:
    """Return how much of the category's channels is due now, counted no further than the limit."""
    due = Delivery.objects.filter(
        channel__in=category.channels, state=State.PENDING, due_at__lte=Now()
    )[: conf.BACKLOG_LIMIT + 1]
    return due.count()


def _first_status(request: BroadcastRequest, now: datetime) -> BroadcastStatus:
    if request.draft:
        return BroadcastStatus.DRAFT
    return BroadcastStatus.SCHEDULED if request.send_at and request.send_at > now else BroadcastStatus.PLANNING


def _as_request(request: BroadcastRequest) -> Request:
    return Request(None, request.template, request.data, request.channels, None, request.send_at, request.ttl)


def _canonical(request: BroadcastRequest) -> dict[str, object]:
    names = ("template", "audience", "data", "exclude", "channels", "send_at", "ttl", "rate", "draft")
    return {"broadcast": True, **{name: getattr(request, name) for name in names}}

