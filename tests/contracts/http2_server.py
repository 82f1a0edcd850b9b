"""A scripted provider that speaks HTTP/2 over TLS, one connection for many requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, WindowUpdated
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from notifications.sandbox import tls

from .server import Received, Reply, ScriptedProvider, type_of_script


class ScriptedHttp2(ScriptedProvider):
    """Set `settings`, `alpn` or `greets` before a client connects.

    Beside what `Reply.how` may be over HTTP/1.1: "refuse" and "break" (RST_STREAM with REFUSED_STREAM or
    INTERNAL_ERROR), "goaway" (answer, but say first that it is the last request that was looked at), "abandon" (say
    that none of the requests at hand was looked at, and close).
    """

    def __init__(self, script: type_of_script, folder: Path) -> None:
        self.settings: dict[SettingCodes, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: 1000}
        self.greets = True
        self.most_at_once = 0
        self.protocols: list[Http2Server] = []
        self.ca_file = tls.ca_path(folder / "server")
        self.context = tls.server_context(folder / "server", ("h2",))
        self.pool = ThreadPoolExecutor(128)
        super().__init__(script)

    def listen(self) -> str:
        self.loop = asyncio.new_event_loop()
        begun = threading.Event()
        threading.Thread(target=self._run, args=(begun,), daemon=True).start()
        assert begun.wait(10)
        return f"https://127.0.0.1:{self.port}"

    def _run(self, begun: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        opening = self.loop.create_server(lambda: Http2Server(self), "127.0.0.1", 0, ssl=self.context)
        server = self.loop.run_until_complete(opening)
        self.port = int(server.sockets[0].getsockname()[1])
        begun.set()
        self.loop.run_forever()
        server.close()
        for protocol in self.protocols:
            protocol.transport.abort()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.05))
        self.loop.close()

    def stop(self) -> None:
        self.closing.set()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.pool.shutdown(wait=False, cancel_futures=True)


class Http2Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, outer: ScriptedHttp2) -> None:
        self.outer = outer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytearray] = {}
        self.unsent: dict[int, bytes] = {}
        self.serving: list[asyncio.Task[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.outer.protocols.append(self)
        self.outer.connected()
        if self.outer.greets:
            self.h2.local_settings.update(self.outer.settings)
            self.h2.local_settings.acknowledge()
            self.h2.initiate_connection()
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.outer.disconnected()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        if not self.outer.greets:
            return
        try:
            events = self.h2.receive_data(data)
        except H2Error:
            self.transport.abort()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
                self.bodies[event.stream_id] = bytearray()
                self.outer.most_at_once = max(self.outer.most_at_once, self.h2.open_inbound_streams)
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.serving.append(asyncio.ensure_future(self.serve(event.stream_id)))
            elif isinstance(event, WindowUpdated):
                for stream in list(self.unsent):
                    self.pump(stream)
        self.flush()

    async def serve(self, stream: int) -> None:
        head = self.heads.pop(stream)
        got = Received(head[":method"], head[":path"], head, bytes(self.bodies.pop(stream)))
        reply = await asyncio.get_running_loop().run_in_executor(self.outer.pool, self.outer.answer, got)
        try:
            await self.act(stream, reply)
        except H2Error:
            self.transport.abort()  # the client gave up, or the connection is over

    async def act(self, stream: int, reply: Reply) -> None:
        if reply.how == "reset":
            self.transport.abort()
        elif reply.how in ("refuse", "break"):
            code = ErrorCodes.REFUSED_STREAM if reply.how == "refuse" else ErrorCodes.INTERNAL_ERROR
            self.h2.reset_stream(stream, code)
            self.flush()
        elif reply.how == "abandon":
            self.say_goaway(0)
            self.transport.close()
        elif reply.how == "goaway":
            self.say_goaway(stream)
            await asyncio.sleep(0.2)
            self.give(stream, reply)
        elif reply.how == "drip":
            self.h2.send_headers(stream, [(":status", str(reply.status)), *_lower(reply.headers)])
            self.flush()
        elif reply.how == "answer":
            self.give(stream, reply)

    def say_goaway(self, last: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say goodbye without closing h2's own state, so that streams up to `last` can still be answered."""
        self.flush()
        self.transport.write(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())

    def give(self, stream: int, reply: Reply) -> None:
        self.h2.send_headers(
            stream, [(":status", str(reply.status)), *_lower(reply.headers)], end_stream=not reply.body
        )
        if reply.body:
            self.unsent[stream] = reply.body
            self.pump(stream)
        self.flush()

    def pump(self, stream: int) -> None:
        body = self.unsent.pop(stream)
        try:
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            while body and size > 0:
                self.h2.send_data(stream, body[:size], end_stream=len(body) <= size)
                body = body[size:]
                size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size) if body else 0
        except H2Error:
            return  # the client has reset the stream
        if body:
            self.unsent[stream] = body


def _lower(headers: dict[str, str]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers.items()]


@contextmanager
def scripted_http2(script: type_of_script, folder: Path) -> Iterator[ScriptedHttp2]:
    """Run a scripted provider that speaks HTTP/2."""
    provider = ScriptedHttp2(script, folder)
    try:
        yield provider
    finally:
        provider.stop()
