"""One HTTP/2 connection over TLS: its streams, its windows, and which of its requests the peer certainly never saw."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from time import monotonic
from typing import cast

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack import HeaderTuple

from .http2_exchange import Exchange, NotSent, Response, named
from .transport import IDLE_SECONDS, MAX_BODY

# Our own code makes what is sent: it need not be checked again.
_CONFIG = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)


class _StateMachine(H2ConnectionStateMachine):
    """h2's, but for a GOAWAY that comes in: h2 closes at once, though answers to earlier requests may follow it.

    https://www.rfc-editor.org/rfc/rfc9113#section-6.8 and https://github.com/python-hyper/h2/issues/1181
    """

    _transitions = {
        **H2ConnectionStateMachine._transitions,  # noqa: SLF001
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN),
    }


class Connection(asyncio.Protocol):
    """One connection; `changed` is called when it has room again or has ended."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._h2 = H2Connection(_CONFIG)
        self._h2.state_machine = _StateMachine()
        self._h2.local_settings = Settings(client=True, initial_values={SettingCodes.ENABLE_PUSH: 0})
        self._transport: asyncio.Transport | None = None
        self._exchanges: dict[int, Exchange] = {}
        self._unwritten: list[Exchange] = []
        self._flushing = False
        self._limit = 0
        self._idle_since = self._heard = monotonic()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.retired = False
        self.closed = False

    @property
    def usable(self) -> bool:
        """Whether it takes further requests, now or when one of its own is answered."""
        return self._transport is not None and not (self.retired or self.closed or self._transport.is_closing())

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        if not self.usable or (not self._exchanges and monotonic() - self._idle_since > IDLE_SECONDS):
            return 0
        return max(0, self._limit - len(self._exchanges))

    def begin(self, headers: Iterable[HeaderTuple], body: bytes) -> Exchange:
        """Send one request; its `answer` is a future.

        Raises:
            NotSent: it cannot be sent here.
        """
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers, end_stream=not body)
        except H2Error as error:
            self.retire()
            raise NotSent(type(error).__name__) from error
        exchange = Exchange(stream, self._loop.create_future(), body, monotonic())
        self._exchanges[stream] = exchange
        self._unwritten.append(exchange)
        self._pump(exchange)
        self._flush_soon()
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Forget a request: it was answered, has failed, or is no longer waited for."""
        if self._exchanges.pop(exchange.stream, None) is None:
            return
        given_up = exchange.answer.cancelled()
        if given_up or exchange.unsent:
            self._reset(exchange.stream)
        if given_up and self._heard < exchange.began:
            self.retired = True  # not a word since it was sent: nothing more is trusted to this connection
        self._after_end()

    def retire(self) -> None:
        """Take no further request, and close when the last answer is there."""
        self.retired = True
        if not self._exchanges:
            self.close()

    def close(self) -> asyncio.Future[None]:
        """Say goodbye and close; the future is done when it has."""
        transport = self._transport
        if transport is None:
            self._end("closed")
        elif not transport.is_closing():
            self._h2.close_connection()
            self._flush()
            transport.close()
        return self._ended

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()
        if not self.ready.cancel() and not self.ready.cancelled():
            self.ready.exception()  # seen: asyncio complains of what nobody looked at

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the peer, if it speaks HTTP/2."""
        self._transport = cast("asyncio.Transport", transport)
        tls = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        if tls is None or tls.selected_alpn_protocol() != "h2":
            self.ready.set_exception(NotSent("no_http2"))
            self._transport.abort()
            return
        self._h2.initiate_connection()
        self._flush()
        self._watch_idle()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._heard = monotonic()
        self._flush()  # at a GOAWAY h2 drops what is not flushed
        try:
            events = self._h2.receive_data(data)
        except H2Error as error:
            self._flush()
            self._break(type(error).__name__)
            return
        for event in events:
            self._take(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what has no answer yet."""
        self._end(type(exc).__name__ if exc else "closed_by_peer")

    # events

    def _take(self, event: h2_events.Event) -> None:
        if isinstance(event, h2_events.StreamEnded):
            self._answered(event.stream_id)
        elif isinstance(event, h2_events.ResponseReceived):
            self._head(event)
        elif isinstance(event, h2_events.DataReceived):
            self._data(event)
        elif isinstance(event, h2_events.StreamReset):
            refused = event.error_code == ErrorCodes.REFUSED_STREAM and event.remote_reset
            self._fail(event.stream_id, named("RST_STREAM", event.error_code), unseen=refused)
        elif isinstance(event, h2_events.ConnectionTerminated):
            self._goaway(event)
        elif isinstance(event, h2_events.RemoteSettingsChanged):
            self._limit = self._h2.remote_settings.max_concurrent_streams
            if not self.ready.done():
                self.ready.set_result(None)
            self._pump_all()
            self._changed()
        elif isinstance(event, h2_events.WindowUpdated):
            self._pump_all()

    def _head(self, event: h2_events.ResponseReceived) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            headers = {_text(name): _text(value) for name, value in event.headers}
            status = headers.pop(":status", "")
            exchange.status, exchange.headers = int(status) if status.isdecimal() else 0, headers

    def _data(self, event: h2_events.DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.body += event.data
            if len(exchange.body) > MAX_BODY:
                self._reset(event.stream_id)
                self._fail(event.stream_id, "body_too_large")

    def _answered(self, stream: int) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None and not exchange.answer.done():
            exchange.answer.set_result(Response(exchange.status, exchange.headers, bytes(exchange.body)))
            self.end(exchange)

    def _fail(self, stream: int, code: str, *, unseen: bool = False) -> None:
        exchange = self._exchanges.pop(stream, None)
        if exchange is not None:
            exchange.fail(code, unseen=unseen)
            self._after_end()

    def _goaway(self, event: h2_events.ConnectionTerminated) -> None:
        """Take no more requests; those after the last that the peer looked at were certainly not acted on."""
        self.retired = True
        last = event.last_stream_id or 0
        for stream in [stream for stream in self._exchanges if stream > last]:
            self._fail(stream, named("GOAWAY", event.error_code), unseen=True)
        if not self._exchanges:
            self.close()
        self._changed()

    # sending

    def _pump(self, exchange: Exchange) -> None:
        """Send as much of a body as the peer's windows allow."""
        while exchange.unsent:
            size = min(self._h2.local_flow_control_window(exchange.stream), self._h2.max_outbound_frame_size)
            if size <= 0:
                return
            part, exchange.unsent = exchange.unsent[:size], exchange.unsent[size:]
            self._h2.send_data(exchange.stream, part, end_stream=not exchange.unsent)

    def _pump_all(self) -> None:
        for exchange in [exchange for exchange in self._exchanges.values() if exchange.unsent]:
            self._pump(exchange)

    def _reset(self, stream: int) -> None:
        try:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        except H2Error:
            return
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Write once for all that is sent in this turn of the loop: fewer TLS records, fewer system calls."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            for exchange in self._unwritten:
                exchange.written = True
            self._unwritten.clear()
            self._transport.write(data)

    # the end

    def _after_end(self) -> None:
        if not self._exchanges:
            self._idle_since = monotonic()
            if self.retired:
                self.close()
            else:
                self._watch_idle()
        self._changed()

    def _watch_idle(self) -> None:
        if self._idle_timer is None and not self.closed:
            left = max(0.01, self._idle_since + IDLE_SECONDS - monotonic())
            self._idle_timer = self._loop.call_later(left, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self._exchanges:
            return
        if monotonic() - self._idle_since >= IDLE_SECONDS:
            self.retire()
        else:
            self._watch_idle()

    def _break(self, code: str) -> None:
        self._end(code)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, code: str) -> None:
        self.closed = self.retired = True
        exchanges, self._exchanges = list(self._exchanges.values()), {}
        for exchange in exchanges:
            exchange.fail(code)
        if not self.ready.done():
            self.ready.set_exception(NotSent(code))
        if not self._ended.done():
            self._ended.set_result(None)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._changed()


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
