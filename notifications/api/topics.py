"""Topics over HTTP: put users on a topic and take them off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..flows.topics import subscribe, unsubscribe
from .base import ApiView
from .fields import Listed, StrictSerializer, UserText, checked

MOST_USERS = 10_000


class SubscriberFields(StrictSerializer):
    """The body of both addresses."""

    users = Listed(
        child=UserText(),
        min_length=1,
        max_length=MOST_USERS,
        error_messages={"not_a_list": "must be a list of users"},
    )


class Subscribers(ApiView):
    """`POST topics/{slug}/subscribers/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREFERENCES}
    body_limit = 5 * 1024 * 1024

    def post(self, request: HttpCall, slug: str) -> Response:
        """Subscribe users; a topic that is new is made."""
        return Response({"added": subscribe(slug, checked(SubscriberFields, request.data)["users"])})


class RemoveSubscribers(Subscribers):
    """`POST topics/{slug}/subscribers/remove/`."""

    def post(self, request: HttpCall, slug: str) -> Response:
        """Unsubscribe users."""
        return Response({"removed": unsubscribe(slug, checked(SubscriberFields, request.data)["users"])})
