"""Notifications over HTTP: notify one recipient, read what became of it, cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope, State
from ..flows.accept import accept
from ..flows.cancel import cancel
from ..flows.recipients import find_user_key
from ..flows.requests import MOST_TAGS, Accepted, Request
from ..flows.status import deliveries_of
from ..messages import Address
from ..models import Delivery, Notification
from ..rules.grants import Grant
from ..rules.identity import first_id_at, user_recipient
from .base import ApiView
from .errors import KeyMissing
from .fields import Moment, Object, StrictSerializer, Text, Texts, UserText, Whole, checked
from .filters import deliveries_filtered, state_filter
from .finding import find_notification
from .paging import PAGE_FIELDS, page
from .presentation import by_notification, in_order, present_delivery, present_notification
from .refusals import RefusalKeepingView

LONGEST_TTL = 366 * 24 * 3_600
_SLUG = 63


class AddressFields(StrictSerializer):
    """Somebody without an account."""

    email = Text(max_length=254, required=False, allow_null=True)
    sms = Text(max_length=32, required=False, allow_null=True)
    locale = Text(max_length=16, required=False, allow_null=True)
    time_zone = Text(max_length=64, required=False, allow_null=True)


class NotificationFields(StrictSerializer):
    """The body of `POST notifications/`."""

    user = UserText(required=False)
    to = AddressFields(required=False)
    template = Text(max_length=_SLUG)
    data = Object(required=False, allow_null=True)  # type: ignore[assignment]  # a field named as a property
    channels = Texts(required=False, allow_null=True, max_length=16)
    send_at = Moment(required=False, allow_null=True)
    ttl = Whole(required=False, allow_null=True, min_value=1, max_value=LONGEST_TTL)
    collapse_key = Text(required=False, allow_null=True, allow_blank=True, max_length=64)
    tags = Texts(required=False, allow_null=True, max_length=MOST_TAGS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one recipient."""
        if ("user" in attrs) == ("to" in attrs):
            raise ValidationError({"user": [ErrorDetail('give either "user" or "to"', "recipient")]})
        return attrs


class Notifications(RefusalKeepingView):
    """`POST notifications/` and `GET notifications/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ, "POST": Scope.SEND}
    query_fields = (*PAGE_FIELDS, "user", "template", "state", "since")

    def post(self, request: HttpCall) -> Response:
        """Accept a notification: once this answers, it is stored and will be acted upon."""
        key = idempotency_key(request)
        values = checked(NotificationFields, request.data)
        accepted = accept(as_request(values, key, self), present_notification)
        return accepted_response(request, accepted)

    def get(self, request: HttpCall) -> Response:
        """List notifications, newest first; broadcasts have their own list."""
        queryset = _filtered(request.query_params).filter(visible_to(self.grant))
        rows, links = page(request, queryset)
        deliveries = by_notification(
            list(Delivery.objects.filter(notification_id__in=[row.pk for row in rows]).order_by("pk"))
        )
        return Response({**links, "results": [present_notification(row, deliveries.get(row.pk, [])) for row in rows]})


class OneNotification(ApiView):
    """`GET notifications/{id}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    has_etag = True

    def get(self, request: HttpCall, notification: UUID) -> Response:
        """Show a notification."""
        return Response(_presented(find_notification(notification, self.grant)))


class CancelNotification(ApiView):
    """`POST notifications/{id}/cancel/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.SEND}

    def post(self, request: HttpCall, notification: UUID) -> Response:
        """Cancel what waits and show what became of the rest."""
        cancel(find_notification(notification, self.grant, to_change=True).pk, actor=self.actor)
        return Response(_presented(find_notification(notification, self.grant)))


class NotificationDeliveries(ApiView):
    """`GET notifications/{id}/deliveries/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    query_fields = (*PAGE_FIELDS, "state", "possible_duplicate")

    def get(self, request: HttpCall, notification: UUID) -> Response:
        """List all deliveries of a notification."""
        queryset = deliveries_of(find_notification(notification, self.grant).pk)
        rows, links = page(request, deliveries_filtered(queryset, request.query_params), newest_first=False)
        return Response({**links, "results": [present_delivery(row) for row in rows]})


def idempotency_key(request: HttpCall) -> str:
    """Return the header.

    Raises:
        KeyMissing: there is none.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise KeyMissing
    return key


def as_request(values: Mapping[str, Any], key: str, view: ApiView) -> Request:
    """Return the flow's request from checked values."""
    ttl = values.get("ttl")
    return Request(
        recipient=Address(**values["to"]) if "to" in values else values["user"],
        template=values["template"],
        data=values.get("data") or {},
        channels=tuple(values.get("channels") or ()),
        idempotency_key=key,
        send_at=values.get("send_at"),
        ttl=timedelta(seconds=ttl) if ttl is not None else None,
        collapse_key=values.get("collapse_key") or "",
        tags=tuple(values.get("tags") or ()),
        owner=view.key.owner,
        request_id=view.request_id,
        grant=view.grant,
    )


def accepted_response(request: HttpCall, accepted: Accepted) -> Response:
    """Return the 202: the same bytes for the first request and for each repeat, which is marked."""
    headers = {"Idempotent-Replayed": "true"} if accepted.replayed else {}
    if isinstance(accepted.response, Mapping):
        headers["Location"] = f"{request.path}{accepted.response['id']}/"
    return Response(in_order(accepted.response), status=202, headers=headers)


def visible_to(grant: Grant) -> Q:
    """Return the condition that a notification was sent with a template that the caller's key is for."""
    narrow = Q(template__in=grant.templates) | Q(category__in=grant.categories)
    return narrow if grant.is_narrow else Q()


def _presented(notification: Notification) -> dict[str, object]:
    return present_notification(notification, list(deliveries_of(notification.pk).order_by("pk")))


def _filtered(given: Mapping[str, str]) -> Any:
    queryset = Notification.objects.exclude(recipient="")
    if "user" in given:
        queryset = queryset.filter(recipient=user_recipient(find_user_key(given["user"])))
    if "template" in given:
        queryset = queryset.filter(template=checked(_TemplateField, {"template": given["template"]})["template"])
    if "state" in given:
        state: State = state_filter(given["state"])
        queryset = queryset.filter(Exists(Delivery.objects.filter(notification_id=OuterRef("pk"), state=state)))
    if "since" in given:
        since = checked(_SinceField, {"since": given["since"].replace(" ", "+")})["since"]
        queryset = queryset.filter(pk__gte=first_id_at(since))
    return queryset


class _TemplateField(StrictSerializer):
    template = serializers.SlugField(max_length=_SLUG)


class _SinceField(StrictSerializer):
    since = Moment()
