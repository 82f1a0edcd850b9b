"""Pooled HTTP/2 over TLS: one connection that carries many requests at once, and the truth about what was sent.

For adapters that run in a `Background` loop. https://www.rfc-editor.org/rfc/rfc9113
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from hpack import HeaderTuple

from .exchange import NoAnswer, NotSent, Response
from .http2_connection import Connection
from .transport import CONNECT_SECONDS

#: How long all streams must be taken before a further connection is made, and how many there may be. APNs allows few
#: streams until it has seen a valid token, so that a limit that lasts is told from one that is about to be lifted.
GROW_SECONDS = 0.25
MOST_CONNECTIONS = 4
_HAPPY_EYEBALLS_SECONDS = 0.25


class Http2Pool:
    """Sends requests over one connection, made when it is first needed and again when it has gone.

    Further ones are made only where the peer's limit on concurrent streams keeps requests waiting. Used inside one
    event loop.
    """

    def __init__(self, url: str, deadline: float, ca_file: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._ca_file = ca_file
        self._connect_seconds = min(CONNECT_SECONDS, deadline * 0.8)
        self._tls: ssl.SSLContext | None = None
        self._connections: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._growing: asyncio.TimerHandle | None = None

    async def request(self, headers: Iterable[HeaderTuple], body: bytes, seconds: float) -> Response:
        """Send one request and return its answer; `seconds` are for all of it, connecting included.

        Raises:
            NotSent: the peer certainly did not act on it.
            NoAnswer: it was written, and no whole answer came.
        """
        ends = asyncio.get_running_loop().time() + seconds
        connection = self._with_room()
        if connection is None:
            try:
                async with asyncio.timeout_at(ends):
                    connection = await self._room()
            except TimeoutError:
                raise NotSent("deadline") from None
        exchange = connection.begin(headers, body)
        try:
            async with asyncio.timeout_at(ends):
                return await exchange.answer
        except TimeoutError:
            raise (NoAnswer if exchange.written else NotSent)("deadline") from None
        finally:
            connection.end(exchange)

    async def close(self) -> None:
        """Let go of all connections; who still waits for one is told that nothing was sent."""
        for pending in (self._growing, self._connecting):
            if pending is not None:
                pending.cancel()
        self._fail_waiting(NotSent("closed"))
        gone = [connection.close() for connection in list(self._connections)]
        if gone:
            await asyncio.wait(gone, timeout=1.0)

    def _with_room(self) -> Connection | None:
        return next((connection for connection in self._connections if connection.room > 0), None)

    async def _room(self) -> Connection:
        """Wait for a connection that takes one more request."""
        loop = asyncio.get_running_loop()
        while (connection := self._with_room()) is None:
            self._ensure(loop)
            turn = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # the turn may have been given already: it goes to the next
                raise
        return connection

    def _ensure(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that a connection is on its way, if one is wanted."""
        if self._connecting is not None:
            return
        if not any(connection.usable for connection in self._connections):
            self._connecting = loop.create_task(self._connect())
        elif self._growing is None and len(self._connections) < MOST_CONNECTIONS:
            self._growing = loop.call_later(GROW_SECONDS, self._grow)

    def _grow(self) -> None:
        self._growing = None
        if self._connecting is None and self._with_room() is None and any(not turn.done() for turn in self._waiting):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        connection = Connection(self._changed)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    self._host,
                    self._port,
                    ssl=self._context(),
                    happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS,
                )
                # The peer's first frame says how many requests it takes at once, and that it speaks HTTP/2 at all.
                await connection.ready
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was sent
            connection.abort()
            self._connecting = None
            if not any(other.usable for other in self._connections):
                code = error.code if isinstance(error, NotSent) else type(error).__name__
                self._fail_waiting(NotSent(code))
            return
        self._connecting = None
        self._connections.append(connection)
        self._changed()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._ca_file or None)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["h2"])
        return self._tls

    def _changed(self) -> None:
        """Take note that a connection has room, or has come to its end."""
        self._connections = [connection for connection in self._connections if not connection.closed]
        if self._waiting:
            self._wake()
            if self._waiting:
                self._ensure(asyncio.get_running_loop())

    def _wake(self) -> None:
        room = sum(connection.room for connection in self._connections)
        while room > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def _fail_waiting(self, error: NotSent) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            with suppress(asyncio.InvalidStateError):
                turn.set_exception(error)
