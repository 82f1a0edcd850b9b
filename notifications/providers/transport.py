"""One HTTP request per attempt, with a deadline for the whole of it and the truth about what was written.

For adapters whose client library uses `requests`: mount `OneRequestAdapter` on its session.
"""

from __future__ import annotations

import socket
import threading
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from queue import Empty, LifoQueue
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

#: Servers and load balancers close connections that idle for 20 s or more; a request that meets such a close is lost.
IDLE_SECONDS = 15.0
CONNECT_SECONDS = 5.0
MAX_BODY = 1_000_000

_attempt = threading.local()


def begin_attempt() -> None:
    """Forget what this thread's earlier request wrote."""
    _attempt.written = False


def request_was_written() -> bool:
    """Whether this thread's latest request got as far as its first byte on the wire."""
    return bool(getattr(_attempt, "written", False))


class _InTime(RawIOBase):
    """What a connection reads from: fails at the attempt's deadline, however slowly the answer's head drips.

    The time-out of a socket is for each read of it, and begins anew with every byte.
    """

    def __init__(self, stream: BufferedReader, sock: socket.socket, ends: float) -> None:
        super().__init__()
        self._stream = stream
        self._raw = stream.raw
        self._sock = sock
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _AnswerInTime(HTTPResponse):
    """An answer that is whole by the attempt's deadline, or an error."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        ends = getattr(_attempt, "ends", None)
        if ends is not None:
            self.fp = BufferedReader(_InTime(self.fp, sock, ends))


class _Truthful:
    """Notes the moment from which a request may have reached the provider, and when the connection was last used."""

    idle_since: float = 0.0
    response_class: type[HTTPResponse] = _AnswerInTime

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _attempt.written = False  # a proxy's CONNECT is not our request

    def send(self, data: Any) -> None:
        if getattr(self, "sock", None) is None:
            self.connect()
        _attempt.written = True
        super().send(data)  # type: ignore[misc]


class _PlainConnection(_Truthful, HTTPConnection):
    pass


class _SecureConnection(_Truthful, HTTPSConnection):
    pass


class _IdleClosing:
    """Closes a pool's connections when they have been idle for `IDLE_SECONDS`, and never uses one older than that."""

    pool: LifoQueue[Any] | None
    _reaper: threading.Timer | None = None

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]
        if conn.idle_since and monotonic() - conn.idle_since > IDLE_SECONDS:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = monotonic()
        super()._put_conn(conn)  # type: ignore[misc]
        if self._reaper is None or not self._reaper.is_alive():
            self._reap_in(IDLE_SECONDS)

    def _reap_in(self, seconds: float) -> None:
        self._reaper = threading.Timer(seconds, self._reap)
        self._reaper.daemon = True
        self._reaper.start()

    def _reap(self) -> None:
        pool, conns = self.pool, []
        if pool is None:
            return
        while not pool.empty():
            try:
                conns.append(pool.get_nowait())
            except Empty:
                break
        live = [conn for conn in conns if conn is not None and conn.sock is not None]
        oldest = monotonic() - IDLE_SECONDS + 0.5
        for conn in live:
            if conn.idle_since <= oldest:
                conn.close()
        for conn in reversed(conns):  # the newest lies on top
            super()._put_conn(conn)  # type: ignore[misc]
        waiting = [conn.idle_since for conn in live if conn.idle_since > oldest]
        if waiting:
            self._reap_in(max(0.5, min(waiting) - oldest))


class _PlainPool(_IdleClosing, HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(_IdleClosing, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class OneRequestAdapter(HTTPAdapter):
    """A `requests` transport: no retry, no redirect, one deadline from connecting to the body's last byte."""

    def __init__(self, deadline: float, connections: int) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def send(self, request: requests.PreparedRequest, *_: Any, **settings: Any) -> requests.Response:
        """Send one request and return its answer, body read."""
        _attempt.written = False
        _attempt.ends = ends = monotonic() + self._deadline
        limit = Timeout(connect=min(CONNECT_SECONDS, self._deadline), total=self._deadline)
        response = super().send(request, **(settings | {"stream": True, "timeout": limit}))
        # requests' own way to read the body has no deadline, so the body is put where it would put it.
        response._content = _read(response, ends)  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        response.headers.pop("Location", None)  # a redirect is an answer, never a second request
        return response


def _read(response: requests.Response, ends: float) -> bytes:
    """Return the body, or fail at the deadline however slowly it drips."""
    body, raw = bytearray(), response.raw
    try:
        while len(body) < MAX_BODY:
            remaining = ends - monotonic()
            if remaining <= 0:
                raise ReadTimeout("deadline", request=response.request)
            if raw.connection is not None and raw.connection.sock is not None:
                raw.connection.sock.settimeout(remaining)
            part = raw.read1(65_536, decode_content=True)
            if not part:
                raw.release_conn()
                return bytes(body)
            body += part
    except (HTTPError, OSError) as error:
        raw.close()
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError("body", request=response.request) from error
    raw.close()
    return bytes(body)


def one_request_session(deadline: float, connections: int) -> requests.Session:
    """Return a session over one shared `OneRequestAdapter`."""
    session = requests.Session()
    mount(session, OneRequestAdapter(deadline, connections))
    return session


def mount(session: requests.Session, adapter: OneRequestAdapter) -> None:
    """Let a session send everything through the adapter."""
    session.mount("https://", adapter)
    session.mount("http://", adapter)
