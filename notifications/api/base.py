"""The base of every API view: it sets all that a host project's REST_FRAMEWORK might have set otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import SuspiciousOperation
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.utils.encoding import force_str
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import request_ids
from ..conf import did_you_mean
from ..enums import Scope
from ..models import ApiKey
from ..quotas import Left
from ..rules.grants import EVERYTHING, Grant
from .authentication import SEND_ONE, ApiKeyAuthentication, HasScope
from .chunks import take_chunks
from .errors import handle
from .etags import tag
from .limits import CallerQuota, headers_of
from .parsing import MOST_VALUES, USUAL_LIMIT, StrictJSONParser
from .problems import CONTENT_TYPE, MOST_LISTED

# Of the request before, nothing may be said of this one, whichever door it comes to; errors are logged after the view.
for _signal in (request_started, request_finished):
    _signal.connect(request_ids.forget, dispatch_uid="carillon.request_ids")


class PlainJSONRenderer(JSONRenderer):
    """JSON in UTF-8, the same in every host project."""

    compact = True
    ensure_ascii = False
    strict = True


class Negotiation(DefaultContentNegotiation):
    """JSON whatever a client accepts; a page only for a browser that asks for one where there is one."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer, unless another one is asked for by name."""
        accepted = request.headers.get("Accept", "")
        for renderer in renderers[1:]:
            if renderer.media_type in accepted and _has_readable_query(request):
                return renderer, renderer.media_type
        return renderers[0], renderers[0].media_type


def _has_readable_query(request: Request) -> bool:
    """Whether Django can read the query, which a page to browse does again and again."""
    try:
        return request.query_params is not None
    except SuspiciousOperation:
        return False


class ApiView(APIView):
    """One address: `scopes` names what a key needs for each method.

    `query_fields` are the parameters of its query where it is read, and nowhere else.
    `body_limit` is how many bytes it takes, `value_limit` how many JSON values there may be in them. What is polled has
    an ETag: a caller that names it is told that nothing has changed, without being told everything again.
    Each flow commits by itself, so that what was answered is stored: `ATOMIC_REQUESTS` does not apply here.
    """

    scopes: ClassVar[Mapping[str, Scope]] = {}
    query_fields: ClassVar[tuple[str, ...]] = ()
    body_limit: ClassVar[int] = USUAL_LIMIT
    value_limit: ClassVar[int] = MOST_VALUES
    has_etag: ClassVar[bool] = False
    authentication_classes: Any = (ApiKeyAuthentication,)
    permission_classes: Any = (HasScope,)
    parser_classes: Any = (StrictJSONParser,)
    renderer_classes: Any = (PlainJSONRenderer,)
    throttle_classes: Any = (CallerQuota,)
    content_negotiation_class: Any = Negotiation
    metadata_class: Any = None
    versioning_class: Any = None
    request_id: str = ""
    left: Left | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view function, outside of any transaction of the host's."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def get_renderers(self) -> list[BaseRenderer]:
        """Return JSON, and in a developer's project pages to browse."""
        renderers: list[BaseRenderer] = [PlainJSONRenderer()]
        if django_settings.DEBUG and apps.is_installed("rest_framework"):
            renderers.append(BrowsableAPIRenderer())
        return renderers

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Return ours."""
        return handle

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Take the caller's request id if it can be one, else make one; and a body that comes in chunks."""
        self.request_id = request_ids.take(request.headers.get(request_ids.HEADER, ""))
        take_chunks(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse query parameters that nobody would read."""
        super().initial(request, *args, **kwargs)
        if hasattr(self, str(request.method).lower()):
            is_read = request.method in ("GET", "HEAD")
            refuse_unread(request.query_params, self.query_fields if is_read else ())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Give the answer its request id and what is left of a quota, and a problem its own content type."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers[request_ids.HEADER] = self.request_id
        answer.headers["Cache-Control"] = "no-store"
        for name, value in headers_of(self.left).items():
            answer.headers[name] = value
        if self.has_etag and request.method in ("GET", "HEAD") and answer.status_code == 200:
            tag(request, answer, PlainJSONRenderer().render(answer.data))
        if getattr(answer, "exception", False) and answer.accepted_renderer.format == "json":
            answer.content_type = CONTENT_TYPE
        return answer

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        """Refuse; who sent nothing to be known by is told what to send.

        Raises:
            NotAuthenticated, PermissionDenied: always one of the two.
        """
        if request.authenticators and not request.successful_authenticator:
            raise exceptions.NotAuthenticated(SEND_ONE)
        raise exceptions.PermissionDenied(message, code)

    @property
    def key(self) -> ApiKey:
        """The caller's API key; only where the permission asks for one."""
        found = self.request.auth
        if not isinstance(found, ApiKey):
            raise exceptions.NotAuthenticated
        return found

    @property
    def grant(self) -> Grant:
        """What the caller's key may send, and see of what was sent; who is signed in does neither."""
        found = self.request.auth
        return found.grant if isinstance(found, ApiKey) else EVERYTHING

    @property
    def actor(self) -> str:
        """Who did it, for audit and history."""
        found = self.request.auth
        return f"key:{found.prefix}" if isinstance(found, ApiKey) else f"user:{force_str(self.request.user.pk)}"


def refuse_unread(given: QueryDict, known: tuple[str, ...]) -> None:
    """Return if each parameter of a query is known and given once.

    Raises:
        ValidationError: one is not, so that it would be passed over in silence.
    """
    wrong: dict[str, list[exceptions.ErrorDetail]] = {}
    for name, values in given.lists():
        if name not in known:
            hint = did_you_mean(name[:63], known) if known else "this address takes none"
            wrong[name[:63]] = [exceptions.ErrorDetail(hint, "unknown_parameter")]
        elif len(values) > 1:
            wrong[name] = [exceptions.ErrorDetail("is given more than once", "repeated_parameter")]
        if len(wrong) > MOST_LISTED:
            break
    if wrong:
        raise exceptions.ValidationError(wrong)


class NothingHere(ApiView):
    """Every address under the API that is not one."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer 404 to any method.

        Raises:
            NotFound: always.
        """
        slash = "" if request.path.endswith("/") else " Addresses end with a slash."
        raise exceptions.NotFound(f"There is nothing at this address.{slash}")
