"""One HTTP/1.1 connection, kept open: one request at a time, and the truth about whether it was written.

httptools reads the answers (the parser of Node.js). https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from time import monotonic

import httptools

from .exchange import NoAnswer, NotSent, Response
from .transport import IDLE_SECONDS, MAX_BODY

_MOST_HEAD = 64 * 1024


class Http1Connection(asyncio.Protocol):
    """A connection that carries one request after the other; whatever is out of order ends it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Response] | None = None
        self._idle_since = monotonic()
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._has_head = self._until_closed = False
        self._received = 0

    @property
    def usable(self) -> bool:
        """Whether it takes a request now; one that idled for long may meet a peer that has just closed it."""
        open_now = self._transport is not None and not self._transport.is_closing()
        return open_now and self._answer is None and monotonic() - self._idle_since < IDLE_SECONDS

    def request(self, head: bytes, body: bytes) -> asyncio.Future[Response]:
        """Write one request and return its answer, which may fail with `NoAnswer`.

        Raises:
            NotSent: the connection has ended or is taken; nothing was written.
        """
        if self._transport is None or not self.usable:
            raise NotSent("ServerDisconnected")
        self._headers, self._body = {}, bytearray()
        self._has_head = self._until_closed = False
        self._received = 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head + body)
        return self._answer

    def close(self, code: str = "closed") -> None:
        """End it; who waits for an answer gets none, for this reason."""
        self._fail(code)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream's is of this kind

    def data_received(self, data: bytes) -> None:
        """Read on; what nobody asked for, or what is no HTTP, ends the connection."""
        if self._answer is None:
            self.close()
            return
        self._received += len(data)
        if self._received > MAX_BODY + _MOST_HEAD:
            self.close("too large")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.close("upgrade")
        except httptools.HttpParserError as error:
            self.close(type(error).__name__)
        if not self._has_head and self._received > _MOST_HEAD:
            self.close("too large")

    def eof_received(self) -> None:
        """The peer sends no more: where nothing else told the answer's end, that is its end."""
        if self._answer is not None and self._has_head and self._until_closed:
            self._settle(keep=False)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        self._fail(type(error).__name__ if error is not None else "ServerDisconnected")

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Forget the head of what only came before the answer (103 Early Hints); a second answer ends it all."""
        self._headers, self._has_head = {}, False
        if self._answer is None:
            self.close()  # or the rest of it would be taken for the answer to the next request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows a body says nothing that a send needs."""
        if not self._has_head:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note how the body ends."""
        self._has_head = True
        self._until_closed = "content-length" not in self._headers and "transfer-encoding" not in self._headers

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """Hand over a whole answer; what comes before it is none, and leaves nothing behind."""
        if self._parser.get_status_code() >= 200:
            self._settle(keep=self._parser.should_keep_alive())
        else:
            self._has_head = False

    def _settle(self, *, keep: bool) -> None:
        answer, self._answer = self._answer, None
        self._idle_since = monotonic()
        # An answer ahead of the request's end: the peer may take the rest for whatever it likes.
        if self._transport is not None and not (keep and self._transport.get_write_buffer_size() == 0):
            self._transport.close()
        if answer is not None and not answer.done():
            answer.set_result(Response(self._parser.get_status_code(), self._headers, bytes(self._body)))

    def _fail(self, code: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(NoAnswer(code))
