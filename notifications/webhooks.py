"""The providers' door: a callback is verified first, stored, answered, and understood later by a worker."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from . import conf
from .api.chunks import take_chunks
from .api.errors import forget_broken_connections
from .api.problems import problem_response
from .exceptions import WebhookRejected, WebhookUnverified
from .flows.receive import probes, receive
from .messages import WebhookRequest

logger = logging.getLogger("notifications.webhooks")
LARGEST_BODY = 1024 * 1024
_MOST_DIGITS = len(str(LARGEST_BODY))


@csrf_exempt
@transaction.non_atomic_requests
def webhook(request: HttpRequest, alias: str) -> HttpResponseBase:
    """Store what a provider reports and answer 200; a callback that is not the provider's stores nothing."""
    if alias not in conf.get().providers:
        return problem_response("not-found", "There is nothing at this address.")
    if request.method != "POST":
        return _looked_at(request, alias)
    body = _body(request)
    if body is None:
        return problem_response("too-large", f"The body is larger than {LARGEST_BODY} bytes.")
    try:
        receive(alias, _as_told(request, alias, body))
    except WebhookUnverified as error:
        logger.warning("%s: callback not taken: %s", alias, error)
        return _come_again("callback-unverified")
    except WebhookRejected as error:
        logger.warning("%s: callback refused: %s", alias, error)
        return problem_response("callback-refused", "The callback does not carry its provider's proof.")
    except (OperationalError, InterfaceError):
        forget_broken_connections()
        return _come_again("database-unavailable")
    return HttpResponse(status=200)


def _looked_at(request: HttpRequest, alias: str) -> HttpResponseBase:
    """Return the answer to somebody who only looks whether there is anything, as some providers do when told of it."""
    allowed = probes(alias)
    if request.method in allowed:
        return HttpResponse(status=200)
    answer = problem_response("method-not-allowed", "Callbacks come by POST.")
    answer.headers["Allow"] = ", ".join(["POST", *sorted(allowed)])
    return answer


def _come_again(slug: str) -> HttpResponseBase:
    answer = problem_response(slug, "The callback was not stored; please send it again.")
    answer.headers["Retry-After"] = "1"
    return answer


def _body(request: HttpRequest) -> bytes | None:
    """Return the exact bytes, or None if there are too many."""
    declared = request.headers.get("Content-Length") or ""
    if declared.isascii() and declared.isdigit() and (len(declared) > _MOST_DIGITS or int(declared) > LARGEST_BODY):
        return None
    try:
        body = request.read(LARGEST_BODY + 1) if take_chunks(request) else request.body
    except (RequestDataTooBig, UnreadablePostError):
        return None
    return body if len(body) <= LARGEST_BODY else None


def _as_told(request: HttpRequest, alias: str, body: bytes) -> WebhookRequest:
    """Return the callback at the URL that the provider was told: what a proxy says of itself is not believed."""
    query = request.META.get("QUERY_STRING", "")
    url = f"{conf.get().public_url}/webhooks/{alias}/"
    return WebhookRequest(
        url=f"{url}?{query}" if query else url,
        method="POST",
        headers=dict(request.headers.items()),
        body=body,
        remote=request.META.get("REMOTE_ADDR", ""),
    )
