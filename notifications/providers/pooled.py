"""One pooled aiohttp session in one background event loop: many sends in flight from one calling thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from .background import Background
from .transport import CONNECT_SECONDS, IDLE_SECONDS

Given = TypeVar("Given")
Result = TypeVar("Result")


#: What aiohttp raises while it connects: not a byte of the request was written.
NOT_WRITTEN = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class PooledSession(Background[aiohttp.ClientSession, Given, Result]):
    """Runs `work(session, given)` for every `submit(given)`, in the background, on one shared session."""

    def __init__(
        self, name: str, url: str, deadline: float, work: Callable[[aiohttp.ClientSession, Given], Awaitable[Result]]
    ) -> None:
        super().__init__(name, lambda: _open_session(url, deadline), work)


def _open_session(url: str, deadline: float) -> aiohttp.ClientSession:
    """Open a session without a limit of its own (the send window is the limit) and without hidden repeats.

    The environment's proxy for `url` is looked up once: aiohttp's `trust_env` does it in a thread for every request,
    which costs more than the request.
    """
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=None, connect=min(CONNECT_SECONDS, deadline * 0.8)),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy,
    )
