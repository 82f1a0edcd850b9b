"""Limits: how often a key, or somebody signed in, may call; the headers of every answer tell what is left."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from .. import conf
from ..enums import Channel
from ..models import ApiKey
from ..quotas import Counter, Left
from ..wakeups import connection

if TYPE_CHECKING:
    from .base import ApiView

_ANSWER_SECONDS = 0.2
_NAME = '"default"'


class CallerQuota(BaseThrottle):
    """Lets a caller through as long as `API["rate"]` has not been used up; without Redis, always."""

    def __init__(self) -> None:
        self._left: Left | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request and return whether it may be answered; where everybody may call, nobody is counted."""
        quota, caller = conf.get().api.rate, _caller(request)
        if quota is None or not caller:
            return True
        counted: ApiView = view  # type: ignore[assignment]
        counted.left = self._left = counter().take(caller, quota)
        return self._left is None or self._left.allowed

    def wait(self) -> float | None:
        """Return the seconds until the caller may ask again."""
        return self._left.reset if self._left else None


@lru_cache(maxsize=1)
def counter() -> Counter:
    """Return what counts, in the Redis of the first channel, for all processes."""
    return Counter(connection(Channel.PUSH, _ANSWER_SECONDS))


def headers_of(left: Left | None) -> dict[str, str]:
    """Return the headers that tell a caller what is left.

    They are those of draft-ietf-httpapi-ratelimit-headers-10: quota and window of the policy, then what remains of the
    quota and the seconds until all of it is there again.
    """
    if left is None:
        return {}
    return {
        "RateLimit-Policy": f"{_NAME};q={left.quota.requests};w={left.quota.seconds}",
        "RateLimit": f"{_NAME};r={left.remaining};t={math.ceil(left.reset)}",
    }


def _caller(request: Request) -> str:
    """Return whose quota it is: a key's, or that of somebody signed in; empty for an address that asks nobody."""
    found = request.auth
    if isinstance(found, ApiKey):
        return f"key:{found.prefix}"
    # Nobody at all is whoever the host's REST_FRAMEWORK says: somebody anonymous, or None.
    pk: object = getattr(request.user, "pk", None)
    return "" if pk is None else f"user:{pk}"
