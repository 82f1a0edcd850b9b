"""How a connection to one origin is made: addresses, the environment's proxy and TLS; nothing of a request is written.

Whatever goes wrong here, nothing was sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from itertools import chain, zip_longest
from typing import NamedTuple, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .exchange import NotSent
from .http1_connection import Http1Connection

_ADDRESS_SECONDS = 60.0
_PORTS = {"http": 80, "https": 443}
_MOST_TUNNEL_HEAD = 16 * 1024


class Address(NamedTuple):
    """Where a socket may connect to, as the resolver tells it."""

    family: int
    protocol: int
    place: tuple[str, int]


class Dial:
    """Makes connections to one origin, directly or through the environment's proxy; used inside one event loop.

    The proxy is the one that other clients use (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    """

    def __init__(self, origin: SplitResult) -> None:
        self._origin = origin
        self.proxy = _proxy_for(origin)
        self._tls: ssl.SSLContext | None = None
        self._addresses: list[Address] = []
        self._known_until = 0.0
        self._lookup: asyncio.Task[None] | None = None

    async def connect(self, until: float) -> Http1Connection:
        """Return a connection to the origin, made before the loop's time is `until`; any error means that it is not."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            address, sock = await self._reached(loop, until)
            try:
                return await self._greeted(loop, sock)
            except BaseException:
                self._put_last(address)
                raise

    def close(self) -> None:
        """Give up what is under way."""
        if self._lookup is not None:
            self._lookup.cancel()

    async def _greeted(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> Http1Connection:
        """Return the connection over a socket that has reached the first hop."""
        first = self.proxy or self._origin
        tls, name = (self._context(), first.hostname or "") if first.scheme == "https" else (None, None)
        if self.proxy is None or self._origin.scheme != "https":
            _, made = await loop.create_connection(Http1Connection, sock=sock, ssl=tls, server_hostname=name)
            return made
        transport, tunnel = await loop.create_connection(_Tunnel, sock=sock, ssl=tls, server_hostname=name)
        try:
            return await self._through(transport, tunnel, loop)
        except BaseException:
            transport.abort()
            raise

    async def _through(
        self, transport: asyncio.Transport, tunnel: _Tunnel, loop: asyncio.AbstractEventLoop
    ) -> Http1Connection:
        """Connect through a proxy's tunnel. https://www.rfc-editor.org/rfc/rfc9110#CONNECT"""
        host = self._origin.hostname or ""
        target = f"[{host}]:{self._origin.port or 443}" if ":" in host else f"{host}:{self._origin.port or 443}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        lines += [f"{name}: {value}" for name, value in self.proxy_authorization().items()]
        transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        status = await tunnel.status
        if not 200 <= status < 300:
            raise NotSent(f"proxy {status}")
        connection = Http1Connection()
        secured = await loop.start_tls(transport, connection, self._context(), server_hostname=host)
        if secured is None:
            raise NotSent("ServerDisconnected")
        connection.connection_made(secured)
        return connection

    def proxy_authorization(self) -> dict[str, str]:
        """Return the header that the proxy wants to see, if its address names a user."""
        if self.proxy is None or not self.proxy.username:
            return {}
        user = f"{unquote(self.proxy.username)}:{unquote(self.proxy.password or '')}"
        return {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}

    async def _reached(self, loop: asyncio.AbstractEventLoop, until: float) -> tuple[Address, socket.socket]:
        """Return a socket that reached one of the addresses; one that does not answer leaves time for the others."""
        failure: Exception = OSError("no address")
        addresses = await self._resolved(loop)
        for tried, address in enumerate(addresses):
            share = (until - loop.time()) / (len(addresses) - tried)
            sock: socket.socket | None = None
            try:
                sock = socket.socket(address.family, socket.SOCK_STREAM, address.protocol)
                sock.settimeout(0.0)
                async with asyncio.timeout(share):
                    await loop.sock_connect(sock, address.place)
            except BaseException as error:
                if sock is not None:
                    sock.close()
                if not isinstance(error, OSError):  # a time-out is one
                    raise
                failure = error
                self._put_last(address)
            else:
                return address, sock
        self._known_until = 0.0  # they may have moved
        raise failure

    def _put_last(self, address: Address) -> None:
        """Try what failed after all others from now on."""
        if len(self._addresses) > 1 and address in self._addresses:
            self._addresses = [*(other for other in self._addresses if other != address), address]

    async def _resolved(self, loop: asyncio.AbstractEventLoop) -> list[Address]:
        """Return the first hop's addresses; asked once a minute, by one for all, since an answer takes a thread."""
        if loop.time() >= self._known_until:
            if self._lookup is None:
                self._lookup = loop.create_task(self._look_up(loop))
            await asyncio.shield(self._lookup)
        return self._addresses

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            first = self.proxy or self._origin
            port = first.port or _PORTS[first.scheme]
            rows = await loop.getaddrinfo(first.hostname or "", port, type=socket.SOCK_STREAM)
            found = [
                Address(family, protocol, cast("tuple[str, int]", place)) for family, _, protocol, _, place in rows
            ]
            # The families take turns, so that one that leads nowhere costs one try only.
            mine = [address for address in found if address.family == found[0].family]
            others = [address for address in found if address.family != found[0].family]
            self._addresses = [address for address in chain(*zip_longest(mine, others)) if address is not None]
            self._known_until = loop.time() + _ADDRESS_SECONDS
        finally:
            self._lookup = None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


class _Tunnel(asyncio.Protocol):
    """A proxy's answer to CONNECT."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._head = bytearray()

    def data_received(self, data: bytes) -> None:
        """Read the answer's head."""
        self._head += data
        if self.status.done():
            return
        if b"\r\n\r\n" in self._head:
            version, status = ([*bytes(self._head).split(None, 2), b"", b""])[:2]
            known = version.startswith(b"HTTP/") and len(status) == 3 and status.isdigit()
            self.status.set_result(int(status) if known else 0)
        elif len(self._head) > _MOST_TUNNEL_HEAD:
            self._fail("too large")

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        self._fail(type(error).__name__ if error is not None else "ServerDisconnected")

    def _fail(self, code: str) -> None:
        if not self.status.done():
            self.status.set_exception(NotSent(code))
            self.status.exception()  # seen: nobody may wait any more


def _proxy_for(origin: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an origin."""
    place = origin.netloc.rpartition("@")[2]
    if proxy_bypass(origin.hostname or "") or proxy_bypass(place):
        return None
    found = getproxies().get(origin.scheme)
    if not found:
        return None
    return urlsplit(found if "://" in found else f"http://{found}")
