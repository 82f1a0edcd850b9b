"""The doors that are not HTTP/1.1 and have a port of their own, in the same process: APNs and SMTP."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .apns import ApnsDoor
from .credentials import write_apns_key
from .door import Desk
from .http2 import Http2Server
from .smtp import MAX_LINE, SmtpDoor
from .tls import ca_path, server_context

BACKLOG = 1024


class CannotListenError(Exception):
    """The address is not to be had; the text says why, and what to do."""


class Ports:
    """Where each of them listens, and what their clients have to know."""

    def __init__(self, desk: Desk) -> None:
        """Serve with the store and the modes of ``desk``."""
        self.apns = ApnsDoor(desk)
        self.http2 = Http2Server(self.apns)
        self.smtp = SmtpDoor(desk)
        self._servers: list[asyncio.Server] = []
        self._known: dict[str, dict[str, str]] = {}

    async def listen(self, file: Path, host: str, apns_port: int, smtp_port: int) -> None:
        """Start listening; raises ``CannotListenError``."""
        loop = asyncio.get_running_loop()
        with cannot_listen(host, apns_port, "--apns-port"):
            apns = await loop.create_server(
                self.http2, host, apns_port, ssl=server_context(file, ("h2",)), backlog=BACKLOG
            )
        self._servers.append(apns)
        self.smtp.tls = server_context(file)
        with cannot_listen(host, smtp_port, "--smtp-port"):
            smtp = await asyncio.start_server(self.smtp.serve, host, smtp_port, limit=MAX_LINE, backlog=BACKLOG)
        self._servers.append(smtp)
        self._known["smtp"] = {"host": host, "port": str(_port(smtp)), "ca_file": str(ca_path(file))}
        self._known["apns"] = {
            "base_url": f"https://{host}:{_port(apns)}",
            "ca_file": str(ca_path(file)),
            "key_file": str(write_apns_key(file.with_suffix(".apns.p8").absolute())),
        }

    def as_json(self) -> dict[str, dict[str, str]]:
        """Return what ``GET /sandbox/info`` shows."""
        return self._known

    async def close(self) -> None:
        """Stop listening and let every client go."""
        for server in self._servers:
            server.close()
        self.http2.close()
        await self.smtp.close()


@contextmanager
def cannot_listen(host: str, port: int, option: str) -> Iterator[None]:
    """Turn the system's "no" into one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListenError(f"port {port} is taken; {option} 0 takes a free one") from error
        raise CannotListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
