"""Paging: lists by cursor. A page costs the same wherever it lies, and rows that come meanwhile shift nothing."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.http import urlencode
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

M = TypeVar("M", bound=Model)
PAGE_FIELDS = ("cursor", "limit")
USUAL, MOST = 50, 200


def page(request: Request, queryset: QuerySet[M, M], *, newest_first: bool = True) -> tuple[list[M], dict[str, Any]]:
    """Return one page of rows by their UUID key, and the links to its neighbours as "next" and "previous".

    Raises:
        ValidationError: the cursor or the limit cannot be.
    """
    limit = limit_of(request.query_params.get("limit"))
    back, at = _cursor(request.query_params.get("cursor"))
    descending = newest_first != back
    if at is not None:
        queryset = queryset.filter(**{"pk__lt" if descending else "pk__gt": at})
    rows = list(queryset.order_by("-pk" if descending else "pk")[: limit + 1])
    more, rows = len(rows) > limit, rows[:limit]
    if back:
        rows.reverse()
    has_next = bool(rows) if back else more
    has_previous = more if back else at is not None and bool(rows)
    return rows, {
        "next": _link(request, "n", rows[-1].pk) if has_next else None,
        "previous": _link(request, "p", rows[0].pk) if has_previous else None,
    }


def limit_of(text: str | None) -> int:
    """Return how many rows a page is to have; the usual number where none is given.

    Raises:
        ValidationError: it is no such number.
    """
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise ValidationError({"limit": [ErrorDetail(f"must be a number from 1 to {MOST}", "invalid")]})
    return int(text)


def _cursor(text: str | None) -> tuple[bool, UUID | None]:
    if text is None:
        return False, None
    try:
        return {"n": False, "p": True}[text[0]], UUID(hex=text[1:])
    except (KeyError, IndexError, ValueError):
        wrong = ErrorDetail("is not a cursor; follow the links in next and previous", "invalid_cursor")
        raise ValidationError({"cursor": [wrong]}) from None


def _link(request: Request, direction: str, key: UUID) -> str:
    given = {name: value for name, value in request.query_params.dict().items() if name != "cursor"}
    query = urlencode({**given, "cursor": f"{direction}{key.hex}"})
    return request.build_absolute_uri(f"{request.path}?{query}")
