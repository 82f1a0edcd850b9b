"""One pooled aiohttp session in one background event loop: many sends in flight from one calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from ..exceptions import ProviderError, ProviderUnavailable, UnknownOutcome
from ..messages import OutboundMessage, SendResult
from .background import Background, BackgroundAdapter
from .transport import CONNECT_SECONDS, IDLE_SECONDS
from .window import unforeseen

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


class Post(NamedTuple):
    """One request: its address, form or body, and headers."""

    url: str
    data: bytes | Mapping[str, str]
    headers: Mapping[str, str]


class PooledAdapter(BackgroundAdapter):
    """Base of adapters that hand over a message in one POST on a pooled session."""

    #: What the provider is called where an outcome is told.
    service: ClassVar[str]

    def __init__(self, alias: str, options: Mapping[str, object], url: str) -> None:
        super().__init__(alias, options)
        self._http = PooledSession(f"carillon-{alias}", self.base_url or url, self.timeout, self._send)

    async def post_for(self, message: OutboundMessage) -> Post:
        """Return the request for one message.

        Raises:
            ProviderError: there can be none; nothing was sent.
        """
        raise NotImplementedError

    def accepted(self, status: int, retry_after: str | None, body: bytes) -> str:
        """Return the provider's id of a message that it took.

        Raises:
            ProviderError: it did not take it, or its answer cannot be trusted.
        """
        raise NotImplementedError

    def refused(self, message: OutboundMessage, error: ProviderError) -> ProviderError:
        """Return what an answer means for this message; override where the answer alone does not tell."""
        return error

    async def _send(self, session: aiohttp.ClientSession, message: OutboundMessage) -> SendResult:
        begun = False
        try:
            async with asyncio.timeout(self.timeout):
                post = await self.post_for(message)
                begun = True
                async with session.post(
                    post.url, data=post.data, headers=post.headers, allow_redirects=False
                ) as response:
                    body = await response.read()
                    identity = self.accepted(response.status, response.headers.get("Retry-After"), body)
                    return SendResult(message, provider_message_id=identity)
        except ProviderError as error:
            return SendResult(message, error=self.refused(message, error))
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw never breaks the batch
            return SendResult(message, error=self._no_answer(error, begun=begun))

    def _no_answer(self, error: Exception, *, begun: bool) -> ProviderError:
        """Return what an error on the way means; `begun` says that the request was handed to aiohttp."""
        kind = type(error).__name__
        if not isinstance(error, TimeoutError | aiohttp.ClientError | OSError):
            return unforeseen(self.alias, error)
        if begun and not isinstance(error, NOT_WRITTEN):
            return UnknownOutcome(self.alias, kind, f"{self.service} gave no whole answer.")
        return ProviderUnavailable(self.alias, kind, f"{self.service} could not be reached.")


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
