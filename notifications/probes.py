"""Probes and metrics for whoever runs the processes: mount the three views where your monitor looks."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import conf
from .exceptions import ConfigurationError
from .flows import health
from .flows.metrics import metrics as read_metrics
from .rules.exposition import CONTENT_TYPE

logger = logging.getLogger("notifications.probes")
OK, UNREACHABLE = "ok", "unreachable"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all; a restart cures what fails here."""
    return JsonResponse({"status": OK})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process can do its work, else 503, saying how each part of the deployment is.

    Only PostgreSQL fails it: without Redis, the sweeper or workers requests are accepted all the same and sent later,
    and a load balancer that took this process out of service would lose them. With `?strict` every part does, for
    whoever asks whether a whole deployment works.
    """
    parts: dict[str, object] = {"postgresql": _postgresql()}
    if parts["postgresql"] == OK:
        parts |= _others()
    strict = "strict" in request.GET
    fails = any(_is_bad(part) for part in parts.values()) if strict else parts["postgresql"] != OK
    return JsonResponse(parts, status=503 if fails else 200)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics in Prometheus' text format, to whoever brings `Authorization: Bearer <METRICS_TOKEN>`.

    Without that setting there is no such page, but for a developer's machine (`DEBUG`). 503 while PostgreSQL is away.
    """
    token = conf.get().metrics_token
    if not token and not settings.DEBUG:
        return HttpResponse("Set METRICS_TOKEN to read metrics.\n", status=404, content_type="text/plain")
    given = request.headers.get("Authorization", "")
    if token and not constant_time_compare(given, f"Bearer {token}"):
        refused = HttpResponse("The metrics token is missing or wrong.\n", status=401, content_type="text/plain")
        refused["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refused
    try:
        return HttpResponse(read_metrics(), content_type=CONTENT_TYPE)
    except DatabaseError as error:
        logger.warning("no metrics, the database is away: %s", type(error).__name__)
        return HttpResponse("PostgreSQL is unreachable.\n", status=503, content_type="text/plain")


def _postgresql() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return UNREACHABLE
    return OK


def _others() -> dict[str, object]:
    """Return what is told: Redis, the sweeper, and for each routed channel its workers."""
    try:
        routed = [channel for channel, entries in conf.get().routes.items() if entries]
    except ConfigurationError:
        return {"settings": "wrong: see manage.py check"}
    counts = health.workers()
    age = health.sweeper_age()
    stale = age is None or age > health.STALE_SECONDS
    told = "never ran" if age is None else f"stale: last seen {age:.0f} s ago"
    return {
        "redis": UNREACHABLE if None in counts.values() else OK,
        "sweeper": told if stale else OK,
        "workers": {channel.value: UNREACHABLE if (n := counts[channel]) is None else n for channel in routed},
    }


def _is_bad(part: object) -> bool:
    """Whether a part is not as it should be: a text that is not "ok", or a channel without a worker."""
    if isinstance(part, dict):
        return any(not isinstance(count, int) or not count for count in part.values())
    return part != OK
