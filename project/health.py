"""Probes for whoever runs the processes: is it up, and can it work?"""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PROBE_SECONDS = 2


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all; a restart cures what fails here."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while PostgreSQL answers, else 503, saying how it and Redis are.

    Redis away does not fail it: requests are accepted all the same, and sent when Redis is back.
    """
    parts = {"postgresql": _postgresql(), "redis": _redis()}
    return JsonResponse(parts, status=200 if parts["postgresql"] == "ok" else 503)


def _postgresql() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _redis() -> str:
    timeouts = {"socket_connect_timeout": PROBE_SECONDS, "socket_timeout": PROBE_SECONDS}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, **timeouts) as client:
            client.ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"
