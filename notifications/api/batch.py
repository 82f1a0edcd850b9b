"""Batch: up to a thousand notifications in one request, each accepted or refused by itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from django.db import DataError
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..exceptions import RequestRejected
from ..flows.accept import accept_all
from ..flows.requests import Accepted, Request
from .errors import problems_in, slug_of
from .fields import Hints, StrictSerializer, Text, checked
from .notifications import NotificationFields, as_request
from .presentation import in_order, present_notification
from .problems import KINDS, problem
from .refusals import RefusalKeepingView

logger = logging.getLogger("notifications.api")

MOST_ITEMS = 1_000
#: A commit for so many. Each holds a lock until then, and PostgreSQL has room for some thousands.
_TOGETHER = 250

_Outcome: TypeAlias = Accepted | RequestRejected | ValidationError


class ItemFields(NotificationFields):
    """One item: the body of `POST notifications/` and its key."""

    idempotency_key = Text(max_length=255)


class NotificationBatch(RefusalKeepingView):
    """`POST notifications/batch/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.SEND}
    body_limit = 5 * 1024 * 1024

    def post(self, request: HttpCall) -> Response:
        """Answer each item in its place; what says 202 is stored. A repeat of the whole request changes nothing."""
        items, hints = _items(request.data), Hints()
        answers: list[dict[str, object]] = []
        for start in range(0, len(items), _TOGETHER):
            answers += self._answers(items[start : start + _TOGETHER], hints)
        return Response({"results": answers})

    def _answers(self, items: Sequence[object], hints: Hints) -> list[dict[str, object]]:
        """Accept some items in one transaction, each by itself, and leave a row for each that is refused."""
        read = [self._read(item, hints) for item in items]
        accepted = iter(accept_each([item for item in read if isinstance(item, Request)]))
        outcomes = [next(accepted) if isinstance(item, Request) else item for item in read]
        bodies = (item if isinstance(item, dict) else {} for item in items)
        self.keep(list(zip(outcomes, bodies, strict=True)))
        return [_answer(outcome) for outcome in outcomes]

    def _read(self, item: object, hints: Hints) -> Request | ValidationError:
        try:
            values = checked(ItemFields, item, hints)
        except ValidationError as error:
            return error
        return as_request(values, values["idempotency_key"], self)


def accept_each(requests: Sequence[Request]) -> list[Accepted | RequestRejected]:
    """Accept requests together; where a value of one cannot be stored, those of the others still are.

    Such a value should have been refused earlier: it is worth a look, but no reason to fail.
    """
    try:
        return accept_all(requests, present_notification)
    except DataError as error:
        if len(requests) == 1:
            logger.error("a value reached PostgreSQL that it cannot store: %s", type(error.__cause__).__name__)  # noqa: TRY400 - without the row
            return [RequestRejected("A value in the request cannot be stored.")]
    half = len(requests) // 2
    return accept_each(requests[:half]) + accept_each(requests[half:])


def _answer(outcome: _Outcome) -> dict[str, object]:
    if isinstance(outcome, ValidationError):
        return _refused("invalid-request", "The item cannot be accepted as it is.", problems_in(outcome.detail))
    if isinstance(outcome, RequestRejected):
        return _refused(slug_of(outcome), outcome.detail, outcome.problems)
    return {"status": 202, "replayed": outcome.replayed, "notification": in_order(outcome.response)}


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
