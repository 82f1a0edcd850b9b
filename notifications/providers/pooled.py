"""One POST for each message on pooled connections: many sends in flight from one calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import ClassVar, NamedTuple, TypeVar
from urllib.parse import urlencode

from ..exceptions import ProviderError, ProviderUnavailable, UnknownOutcome
from ..messages import OutboundMessage, SendResult
from .answers import by_status, retry_after_seconds
from .background import Background, BackgroundAdapter
from .exchange import NoAnswer, NotSent
from .http1 import Http1Pool
from .window import unforeseen

Given = TypeVar("Given")
Result = TypeVar("Result")


class PooledSession(Background[Http1Pool, Given, Result]):
    """Runs `work(pool, given)` for every `submit(given)`, in the background, on one shared pool of connections."""

    def __init__(
        self, name: str, url: str, deadline: float, work: Callable[[Http1Pool, Given], Awaitable[Result]]
    ) -> None:
        super().__init__(name, lambda: Http1Pool(url, deadline), work)


class Post(NamedTuple):
    """One request: its address, form or body, and headers."""

    url: str
    data: bytes | Mapping[str, str]
    headers: Mapping[str, str]


class PooledAdapter(BackgroundAdapter):
    """Base of adapters that hand over a message in one POST on a pooled connection."""

    #: What the provider is called where an outcome is told.
    service: ClassVar[str]
    #: Where its API is, unless the option `base_url` or the adapter itself says otherwise.
    service_url: ClassVar[str] = ""

    def __init__(self, alias: str, options: Mapping[str, object], url: str = "") -> None:
        super().__init__(alias, options)
        self.api = self.base_url or url or self.service_url
        self._http = PooledSession(f"carillon-{alias}", self.api, self.timeout, self._send)

    def post_for(self, message: OutboundMessage) -> Post | Awaitable[Post]:
        """Return the request for one message, or what comes to it in time: `async def` where anything is awaited.

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

    def refusal(self, code: str, status: int, retry_after: str | None) -> ProviderError:
        """Return what an answer is that gives no id: by its code in `known_answers`, else by its status.

        Where neither tells, the message may have gone out: nobody knows.
        """
        row = self.known_answers.get(code) or by_status(status)
        if row is None:
            return UnknownOutcome(self.alias, code, f"The answer is none of {self.service}'s own.")
        return row.to_error(self.alias, code, retry_after_seconds(retry_after))

    def refused(self, message: OutboundMessage, error: ProviderError) -> ProviderError:
        """Return what an answer means for this message; override where the answer alone does not tell."""
        return error

    async def _send(self, pool: Http1Pool, message: OutboundMessage) -> SendResult:
        try:
            began = monotonic()
            post = self.post_for(message)
            if not isinstance(post, Post):
                # Only then: a timer of asyncio's takes as long as all else that is done to a request here.
                async with asyncio.timeout(self.timeout):
                    post = await post
            body, headers = _encoded(post)
            response = await pool.post(post.url, headers, body, self.timeout - (monotonic() - began))
            identity = self.accepted(response.status, response.headers.get("retry-after"), response.body)
            return SendResult(message, provider_message_id=identity)
        except ProviderError as error:
            return SendResult(message, error=self.refused(message, error))
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw never breaks the batch
            return SendResult(message, error=self._no_answer(error))

    def _no_answer(self, error: Exception) -> ProviderError:
        """Return what an error on the way means."""
        if isinstance(error, NoAnswer):
            return UnknownOutcome(self.alias, error.code, f"{self.service} gave no whole answer.")
        if isinstance(error, NotSent | TimeoutError):
            code = error.code if isinstance(error, NotSent) else "deadline"
            return ProviderUnavailable(self.alias, code, f"{self.service} could not be reached.")
        return unforeseen(self.alias, error)


def _encoded(post: Post) -> tuple[bytes, Mapping[str, str]]:
    """Return a request's body and headers as they are written."""
    if isinstance(post.data, bytes):
        return post.data, post.headers
    return urlencode(post.data).encode(), {**post.headers, "Content-Type": "application/x-www-form-urlencoded"}
