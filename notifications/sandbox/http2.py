"""Speaks HTTP/2 for the sandbox's APNs: one connection, many streams, and GOAWAY when asked for.

Facts: https://www.rfc-editor.org/rfc/rfc9113
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from .apns import Answer

MAX_STREAMS = 1000
"""Streams that one connection may have open at once, as Apple's do."""

_WINDOW = 16 * 1024 * 1024
_LINGER = 0.3
"""Seconds between GOAWAY and the end of the connection: what the client wrote meanwhile is read, and ignored."""

_DRIPS = 8


class Door(Protocol):
    """Whoever answers the requests."""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request."""


@dataclass(slots=True)
class _Request:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2Server:
    """Every connection to one door, and what they have in common."""

    def __init__(self, door: Door) -> None:
        """Answer by ``door``."""
        self.door = door
        self.max_streams = MAX_STREAMS
        self.connections: set[Http2Connection] = set()

    def __call__(self) -> Http2Connection:
        """Return the protocol of a new connection."""
        return Http2Connection(self)

    def set_max_streams(self, number: int) -> None:
        """Let no connection have more streams open than this, now and from now on."""
        self.max_streams = number
        for connection in self.connections:
            connection.set_max_streams(number)

    def go_away(self, after: int) -> int:
        """End every present connection by GOAWAY once it has taken ``after`` more requests; return how many."""
        return sum(connection.end(after, cut=False) for connection in tuple(self.connections))

    def cut(self, after: int) -> int:
        """Reset every present connection once it has taken ``after`` more requests; return how many."""
        return sum(connection.end(after, cut=True) for connection in tuple(self.connections))

    def close(self) -> None:
        """Close every connection."""
        for connection in tuple(self.connections):
            connection.close()


class Http2Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: Http2Server) -> None:
        """Wait for the handshake."""
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._reading: dict[int, _Request] = {}
        self._unsent: dict[int, bytes] = {}
        self._answering: set[int] = set()
        self._taken = 0
        self._last: int | None = None
        self._ends_after: int | None = None
        self._cuts = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send our settings."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("HTTP/2 needs a transport that reads and writes")
        self._transport = transport
        self._server.connections.add(self)
        values = {SettingCodes.MAX_CONCURRENT_STREAMS: self._server.max_streams}
        self._h2.local_settings = Settings(client=False, initial_values=values)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._server.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take in whatever arrived, and write all answers to it at once."""
        try:
            for event in self._h2.receive_data(data):
                self._take_in(event)
        except H2Error:
            # h2 has prepared the GOAWAY that says what was wrong.
            self._flush()
            self.close()
            return
        self._flush()

    def set_max_streams(self, number: int) -> None:
        """Tell the client how many streams it may have open."""
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: number})
        self._flush()

    def end(self, after: int, *, cut: bool) -> bool:
        """End once ``after`` more requests were taken: by a reset, or by GOAWAY; False if it is ending already."""
        if self._last is not None or self._transport is None:
            return False
        self._ends_after, self._cuts = after, cut
        self._end_if_due()
        self._flush()
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _take_in(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._reading[event.stream_id] = _Request({str(name): str(value) for name, value in event.headers})
        elif isinstance(event, DataReceived):
            request = self._reading.get(event.stream_id)
            if request is not None:
                request.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            request = self._reading.pop(event.stream_id, None)
            # Beyond the last stream of a GOAWAY nothing is looked at: the client knows that it was not processed.
            if request is not None and (self._last is None or event.stream_id <= self._last):
                self._handle(event.stream_id, request)
        elif isinstance(event, StreamReset):
            self._reading.pop(event.stream_id, None)
            self._unsent.pop(event.stream_id, None)
            self._answering.discard(event.stream_id)
        elif isinstance(event, WindowUpdated):
            for stream_id in tuple(self._unsent):
                self._send_body(stream_id, self._unsent.pop(stream_id))
        elif isinstance(event, ConnectionTerminated):
            self.close()

    def _handle(self, stream_id: int, request: _Request) -> None:
        headers = request.headers
        answer = self._server.door.answer(
            headers.get(":method", ""), headers.get(":path", ""), headers, bytes(request.body)
        )
        self._taken = max(self._taken, stream_id)
        self._answering.add(stream_id)
        if answer.delay:
            self._loop.call_later(answer.delay, self._send_late, stream_id, answer)
        else:
            self._send(stream_id, answer)
        if self._ends_after:
            self._ends_after -= 1
        self._end_if_due()

    def _end_if_due(self) -> None:
        if self._ends_after != 0 or self._last is not None or self._transport is None:
            return
        self._last = self._taken
        if self._cuts:
            _reset(self._transport)
            return
        # Written by hand: after GOAWAY, h2 would let us answer none of the streams that we did take.
        frame = GoAwayFrame(
            0,
            last_stream_id=self._last,
            error_code=ErrorCodes.NO_ERROR,
            additional_data=json.dumps({"reason": "Shutdown"}).encode("ascii"),
        )
        self._transport.write(self._h2.data_to_send() + frame.serialize())
        self._close_when_done()

    def _close_when_done(self) -> None:
        waited_for = any(stream_id <= (self._last or 0) for stream_id in self._reading)
        if self._last is not None and not self._answering and not waited_for:
            self._loop.call_later(_LINGER, self.close)

    def _send_late(self, stream_id: int, answer: Answer) -> None:
        if self._transport is not None:
            self._send(stream_id, answer)
            self._flush()

    def _send(self, stream_id: int, answer: Answer) -> None:
        """Send an answer, or as much of it as the client's window lets through."""
        try:
            if not answer.status:
                self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
                self._done(stream_id)
                return
            headers = [(":status", str(answer.status)), *answer.headers.items()]
            ends = not answer.body and not answer.drip
            self._h2.send_headers(stream_id, headers, end_stream=ends)
        except H2Error:  # the client has given the stream up
            self._done(stream_id)
            return
        if ends:
            self._done(stream_id)
        elif answer.drip:
            self._drip(stream_id, answer.body, answer.drip / _DRIPS, _DRIPS)
        else:
            self._send_body(stream_id, answer.body)

    def _send_body(self, stream_id: int, body: bytes) -> None:
        try:
            window = self._h2.local_flow_control_window(stream_id)
            if window < len(body):
                self._unsent[stream_id] = body
                return
            self._h2.send_data(stream_id, body, end_stream=True)
        except H2Error:
            pass
        self._done(stream_id)

    def _drip(self, stream_id: int, body: bytes, pause: float, drips: int) -> None:
        """Send a body little by little, the stream's end last of all."""
        if self._transport is None:
            return
        size = max(1, len(body) // drips)
        piece, rest = (body[:size], body[size:]) if drips > 1 else (body, b"")
        try:
            if drips > 1:
                self._h2.send_data(stream_id, piece)
                self._loop.call_later(pause, self._drip, stream_id, rest, pause, drips - 1)
            else:
                self._h2.send_data(stream_id, piece, end_stream=True)
                self._done(stream_id)
        except H2Error:
            self._done(stream_id)
        self._flush()

    def _done(self, stream_id: int) -> None:
        self._answering.discard(stream_id)
        self._close_when_done()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _reset(transport: asyncio.Transport) -> None:
    """Reset the connection: with a linger of zero seconds, closing sends RST and not FIN."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
