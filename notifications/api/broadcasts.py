"""Broadcasts over HTTP: launch one, watch it, pause, resume and cancel it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..flows.control import cancel_broadcast, launch_draft, pause, resume
from ..flows.draft_preview import preview_broadcast
from ..flows.launch import BroadcastRequest, launch
from ..flows.left_out import errors_of, plan_left_out
from ..flows.newer_words import must_be_counted, sent_with
from ..flows.status import Counts, Progress, deliveries_of, progress_of
from ..models import Broadcast, Delivery, Notification
from ..models.console_queries import deadline
from ..rules.grants import Grant
from .base import ApiView
from .fields import Flag, Moment, Object, Ramp, StrictSerializer, Text, Texts, Version, Whole, checked
from .filters import deliveries_filtered, is_asked_for
from .finding import find_broadcast
from .notifications import LONGEST_TTL, accepted_response, idempotency_key, visible_to
from .paging import PAGE_FIELDS, page
from .presentation import present_broadcast, present_delivery, present_left_out
from .refusals import RefusalKeepingView

_FASTEST = 1_000_000
LARGE_BODY = 5 * 1024 * 1024
#: How long what went out with which version is counted, which reads every row of the broadcast.
_COUNTING_MILLISECONDS = 3_000


class BroadcastFields(StrictSerializer):
    """The body of `POST broadcasts/`."""

    audience = Object()
    exclude = Object(required=False, allow_null=True)
    template = Text(max_length=63)
    data = Object(required=False, allow_null=True)  # type: ignore[assignment]  # a field named as a property
    channels = Texts(required=False, allow_null=True, max_length=16)
    send_at = Moment(required=False, allow_null=True)
    ttl = Whole(required=False, allow_null=True, min_value=1, max_value=LONGEST_TTL)
    rate = Whole(required=False, allow_null=True, min_value=1, max_value=_FASTEST)
    draft = Flag(required=False)
    ramp_up = Ramp(required=False, allow_null=True)


class Broadcasts(RefusalKeepingView):
    """`POST broadcasts/` and `GET broadcasts/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.BROADCAST}
    query_fields = PAGE_FIELDS
    body_limit = LARGE_BODY

    def post(self, request: HttpCall) -> Response:
        """Accept a broadcast and answer at once; workers plan it page by page."""
        key = idempotency_key(request)
        values = checked(BroadcastFields, request.data)
        template = values["template"]
        accepted = launch(requested(self, values, key), lambda made: present_broadcast(made, template, _new(made)))
        return accepted_response(request, accepted)

    def get(self, request: HttpCall) -> Response:
        """List broadcasts, newest first."""
        # Without whom they are for: each may name 100,000 people, and the answer names none.
        rows, links = page(request, _seen_by(self.grant).defer("audience", "exclude"))
        templates = dict(
            Notification.objects.filter(pk__in=[row.notification_id for row in rows]).values_list("pk", "template")
        )
        progress = progress_of(rows)
        results = [present_broadcast(row, _template(row, templates), progress[row.pk]) for row in rows]
        return Response({**links, "results": results})


class OneBroadcast(ApiView):
    """`GET broadcasts/{id}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    query_fields = ("versions",)
    has_etag = True

    def get(self, request: HttpCall, broadcast: UUID) -> Response:
        """Show a broadcast with its counts; how many went out with which version only if that is asked for."""
        count = is_asked_for("versions", request.query_params)
        return Response(_presented(find_broadcast(broadcast, self.grant), count_versions=count))


class BroadcastDeliveries(ApiView):
    """`GET broadcasts/{id}/deliveries/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    query_fields = (*PAGE_FIELDS, "state", "possible_duplicate")

    def get(self, request: HttpCall, broadcast: UUID) -> Response:
        """List the deliveries of a broadcast."""
        queryset = deliveries_of(find_broadcast(broadcast, self.grant).notification_id)
        rows, links = page(request, deliveries_filtered(queryset, request.query_params), newest_first=False)
        return Response({**links, "results": [present_delivery(row) for row in rows]})


class BroadcastLeftOut(ApiView):
    """`GET broadcasts/{id}/left-out/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    query_fields = PAGE_FIELDS

    def get(self, request: HttpCall, broadcast: UUID) -> Response:
        """List who could not be planned, by key, with the kind of error."""
        rows, links = page(request, find_broadcast(broadcast, self.grant).left_out.all(), newest_first=False)
        return Response({**links, "results": [present_left_out(row) for row in rows]})


class BroadcastPreview(ApiView):
    """`GET broadcasts/{id}/preview/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.BROADCAST}

    def get(self, request: HttpCall, broadcast: UUID) -> Response:
        """Render the first of its recipients without sending, and show what is missing."""
        return Response(asdict(preview_broadcast(find_broadcast(broadcast, self.grant).pk)))


class ResumeFields(StrictSerializer):
    """The body of `POST broadcasts/{id}/resume/`, which may be empty."""

    version = Version(required=False, allow_null=True)


class NoFields(StrictSerializer):
    """The body of the others: nothing."""


class ControlBroadcast(ApiView):
    """`POST broadcasts/{id}/{launch,pause,resume,cancel,retry}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.BROADCAST}

    def post(self, request: HttpCall, broadcast: UUID, action: str) -> Response:
        """Do it and show the broadcast."""
        found = find_broadcast(broadcast, self.grant, to_change=True)
        # No body at all is an empty one; null, false and their like are bodies, and none of these.
        given = {} if request.data == {} else request.data
        values = checked(ResumeFields if action == "resume" else NoFields, given)
        actions: Mapping[str, Callable[[], object]] = {
            "launch": lambda: launch_draft(found.pk),
            "pause": lambda: pause(found.pk),
            "resume": lambda: resume(found.pk, version=values.get("version"), actor=self.actor),
            "cancel": lambda: cancel_broadcast(found.pk, actor=self.actor),
            "retry": lambda: plan_left_out(found.pk),
        }
        actions[action]()
        return Response(_presented(find_broadcast(broadcast, self.grant)))


def requested(view: ApiView, values: Mapping[str, Any], key: str | None) -> BroadcastRequest:
    """Return the broadcast that a checked body asks for."""
    ttl = values.get("ttl")
    return BroadcastRequest(
        template=values["template"],
        audience=values["audience"],
        data=values.get("data") or {},
        exclude=values.get("exclude"),
        channels=tuple(values.get("channels") or ()),
        idempotency_key=key,
        send_at=values.get("send_at"),
        ttl=timedelta(seconds=ttl) if ttl is not None else None,
        rate=values.get("rate"),
        draft=values.get("draft", False),
        ramp_up=values.get("ramp_up"),
        owner=view.key.owner,
        request_id=view.request_id,
        grant=view.grant,
    )


def _seen_by(grant: Grant) -> QuerySet[Broadcast]:
    """Return the broadcasts that a caller may see."""
    if not grant.is_narrow:
        return Broadcast.objects.all()
    return Broadcast.objects.filter(
        Exists(Notification.objects.filter(visible_to(grant), pk=OuterRef("notification_id")))
    )


def _presented(made: Broadcast, *, count_versions: bool = False) -> dict[str, object]:
    notification = Notification.objects.filter(pk=made.notification_id).first()
    templates = {} if notification is None else {notification.pk: notification.template}
    return {
        **present_broadcast(made, _template(made, templates), progress_of([made])[made.pk]),
        "left_out_for": errors_of(made),
        "versions": _versions(made, notification, count=count_versions),
    }


def _versions(made: Broadcast, notification: Notification | None, *, count: bool) -> list[dict[str, int]] | None:
    """Return how many went out with which version, or None where nobody asked that they be counted.

    Raises:
        TooSlow: counting took too long.
    """
    if not must_be_counted(made, notification):
        return [asdict(part) for part in sent_with(made, notification)]
    if not count:
        return None
    with deadline(Delivery.objects.db, _COUNTING_MILLISECONDS):
        return [asdict(part) for part in sent_with(made, notification)]


def _template(made: Broadcast, templates: Mapping[UUID, str]) -> str:
    """Return a broadcast's template; after its retention, the one that it keeps."""
    kept = (made.outcome or {}).get("template", "")
    return templates.get(made.notification_id, kept)


def _new(made: Broadcast) -> Progress:
    """Return the progress of a broadcast that nobody has planned yet."""
    return Progress(Counts(), float(made.per_second) if made.per_second else None)
