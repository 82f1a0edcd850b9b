"""Batch: up to a thousand notifications in one request, each accepted or refused by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..exceptions import RequestRejected
from ..flows.accept import accept
from .base import ApiView
from .errors import problems_in, slug_of
from .fields import Hints, StrictSerializer, Text, checked
from .notifications import NotificationFields, Refusals, as_request
from .presentation import present_notification
from .problems import KINDS, problem

MOST_ITEMS = 1_000
_TOGETHER = 100


class ItemFields(NotificationFields):
    """One item: the body of `POST notifications/` and its key."""

    idempotency_key = Text(max_length=255)


class NotificationBatch(ApiView):
    """`POST notifications/batch/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.SEND}
    body_limit = 5 * 1024 * 1024

    def post(self, request: HttpCall) -> Response:
        """Answer each item in its place; what says 202 is stored. A repeat of the whole request changes nothing."""
        items, hints = _items(request.data), Hints()
        answers: list[dict[str, object]] = []
        for start in range(0, len(items), _TOGETHER):
            # A commit for many: an item that is refused takes only itself back.
            with transaction.atomic():
                answers += [self._answer(item, hints) for item in items[start : start + _TOGETHER]]
        return Response({"results": answers})

    def _answer(self, item: object, hints: Hints) -> dict[str, object]:
        try:
            with Refusals(self, item):
                values = checked(ItemFields, item, hints)
                accepted = accept(as_request(values, values["idempotency_key"], self), present_notification)
        except ValidationError as error:
            return _refused("invalid-request", "The item cannot be accepted as it is.", problems_in(error.detail))
        except RequestRejected as error:
            return _refused(slug_of(error), error.detail, error.problems)
        return {"status": 202, "replayed": accepted.replayed, "notification": accepted.response}


class _Envelope(StrictSerializer):
    """The body: only `items`, which are checked one by one."""


def _items(body: object) -> list[object]:
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise ValidationError({"items": [ErrorDetail(f"must be a list of 1 to {MOST_ITEMS} items", "wrong_type")]})
    if isinstance(body, dict):
        checked(_Envelope, {name: value for name, value in body.items() if name != "items"})
    return items


def _refused(slug: str, detail: str, problems: Any) -> dict[str, object]:
    return {"status": KINDS[slug].status, "problem": problem(slug, detail, problems)}
