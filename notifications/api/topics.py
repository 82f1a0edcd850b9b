"""Topics over HTTP: which there are, and putting users on one and taking them off, by name or from a CSV file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request as HttpCall
from rest_framework.response import Response

from ..enums import Scope
from ..exceptions import Problem
from ..flows.topic_files import Import, Imported, import_users
from ..flows.topics import count_subscribers, subscribe, unsubscribe
from ..models import Topic
from .base import ApiView
from .errors import Malformed
from .fields import Listed, StrictSerializer, UserText, checked
from .paging import limit_of
from .parsing import StrictJSONParser, read_within

MOST_USERS = 10_000
MOST_LINES = 100_000
_LARGEST = 5 * 1024 * 1024


@dataclass(frozen=True)
class CsvBody:
    """A body of CSV."""

    text: str


class CsvParser(BaseParser):
    """Reads a CSV file as text; the view's `body_limit` bounds it."""

    media_type = "text/csv"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the text.

        Raises:
            BodyTooLarge, Malformed: it cannot be used.
        """
        try:
            text = read_within(stream, parser_context or {}, _LARGEST).decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("The body is not UTF-8.") from None
        lines = text.count("\n") + text.count("\r") - text.count("\r\n") + 1
        if lines > MOST_LINES + 1:
            detail = f"has {lines:,} lines; {MOST_LINES:,} are taken at a time"
            raise Malformed("The file is too long.", Problem("", "too_many", detail))
        return CsvBody(text)


class Topics(ApiView):
    """`GET topics/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}
    query_fields = ("after", "limit")

    def get(self, request: HttpCall) -> Response:
        """List topics by name; `?after=` a name begins behind it."""
        limit = limit_of(request.query_params.get("limit"))
        after = request.query_params.get("after", "")
        if "\x00" in after:
            raise ValidationError({"after": [ErrorDetail("is no topic's name", "invalid")]})
        found: QuerySet[Topic] = Topic.objects.filter(slug__gt=after) if after else Topic.objects.all()
        rows = list(found.order_by("slug")[: limit + 1])
        shown = rows[:limit]
        following = None
        if len(rows) > limit:
            following = request.build_absolute_uri(f"{request.path}?after={shown[-1].slug}&limit={limit}")
        return Response({"next": following, "results": [_presented(row) for row in shown]})


class OneTopic(ApiView):
    """`GET topics/{slug}/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"GET": Scope.READ}

    def get(self, request: HttpCall, slug: str) -> Response:
        """Show a topic with the number of its subscribers."""
        topic = Topic.objects.filter(slug=slug).first()
        if topic is None:
            raise NotFound("There is no such topic.")
        found = count_subscribers(topic)
        return Response({**_presented(topic), "subscribers": found.members, "exact": found.exact})


class SubscriberFields(StrictSerializer):
    """The body of both addresses, if it is JSON."""

    users = Listed(
        child=UserText(),
        min_length=1,
        max_length=MOST_USERS,
        error_messages={"not_a_list": "must be a list of users"},
    )


class Subscribers(ApiView):
    """`POST topics/{slug}/subscribers/`."""

    scopes: ClassVar[Mapping[str, Scope]] = {"POST": Scope.PREFERENCES}
    parser_classes: Any = (StrictJSONParser, CsvParser)
    body_limit = _LARGEST

    def post(self, request: HttpCall, slug: str) -> Response:
        """Subscribe users; a topic that is new is made."""
        body: object = request.data
        if isinstance(body, CsvBody):
            return _imported(Import(slug), body)
        return Response({"added": subscribe(slug, checked(SubscriberFields, body)["users"])})


class RemoveSubscribers(Subscribers):
    """`POST topics/{slug}/subscribers/remove/`."""

    def post(self, request: HttpCall, slug: str) -> Response:
        """Unsubscribe users."""
        body: object = request.data
        if isinstance(body, CsvBody):
            return _imported(Import(slug, remove=True), body)
        return Response({"removed": unsubscribe(slug, checked(SubscriberFields, body)["users"])})


def _imported(wanted: Import, body: CsvBody) -> Response:
    done: Imported = import_users(wanted, io.StringIO(body.text, newline=""), at_once=True)
    changed = {"removed": done.removed} if wanted.remove else {"added": done.added}
    unknown = {"unknown": done.unknown, "unknown_lines": done.unknown_lines}
    return Response({**changed, "unchanged": done.unchanged, **unknown})


def _presented(topic: Topic) -> dict[str, object]:
    return {"slug": topic.slug, "created_at": topic.created_at.isoformat()}
