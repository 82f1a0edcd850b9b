"""SMTP connections, kept open between messages: one deadline for all of an attempt, and the truth about its end."""

from __future__ import annotations

import io
import os
import re
import select
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from django.core.mail.utils import DNS_NAME

from .transport import CONNECT_SECONDS, IDLE_SECONDS

_CHUNK = 65_536


@dataclass(frozen=True)
class Server:
    """Where the mail server is and how to log in. `starttls` is "always", "never" or "offered"."""

    host: str
    port: int
    tls: bool = False
    starttls: str = "offered"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


class Refused(Exception):
    """The server said no: at which stage, and its codes. Its text is not kept, for it may hold addresses."""

    _ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})\b")

    def __init__(self, stage: str, code: int, text: bytes) -> None:
        super().__init__(f"{stage} {code}")
        self.stage = stage
        self.code = code
        match = self._ENHANCED.match(text)
        self.enhanced = match[0].decode() if match else ""


class NoTLS(Exception):
    """The server offers no STARTTLS, and without it nothing may be sent."""


class Connection(smtplib.SMTP):
    """smtplib's client; every wait ends at `ends`, and `in_doubt` says that the whole message may have got through."""

    def __init__(self, server: Server, ends: float) -> None:
        super().__init__(local_hostname=DNS_NAME.get_fqdn())
        self._server = server
        self._host = server.host  # whose certificate it must be
        self.ends = ends
        self.in_doubt = False
        self.idle_since = 0.0
        self.timeout = min(CONNECT_SECONDS, self.left())

    def log_in(self) -> None:
        """Connect, secure the connection and authenticate.

        Raises:
            Refused, NoTLS, OSError: it could not be done.
        """
        server = self._server
        self._expect("CONNECT", 220, self.connect(server.host, server.port))
        self._expect("EHLO", 250, self.ehlo())
        if not server.tls and server.starttls != "never":
            if self.has_extn("starttls"):
                try:
                    self.starttls(context=_context(server.ca_file))
                except smtplib.SMTPResponseException as error:
                    raise Refused("STARTTLS", error.smtp_code, b"") from error
                self._expect("EHLO", 250, self.ehlo())
            elif server.starttls == "always":
                raise NoTLS
        if server.user:
            try:
                self.login(server.user, server.password)
            except smtplib.SMTPAuthenticationError as error:
                raise Refused("AUTH", error.smtp_code, _bytes(error.smtp_error)) from error
            except (smtplib.SMTPNotSupportedError, UnicodeEncodeError) as error:
                raise Refused("AUTH", 504, b"") from error

    def deliver(self, sender: str, recipient: str, data: bytes) -> None:
        """Hand over one message.

        Raises:
            Refused: the server said no.
            OSError: no answer; `in_doubt` says whether it may have the message.
        """
        self.in_doubt = False
        options = [f"size={len(data)}"] if self.has_extn("size") else []
        if self.has_extn("8bitmime") and not data.isascii():
            options.append("body=8bitmime")
        self._expect("MAIL", 250, self.mail(sender, options))
        code, text = self.rcpt(recipient)
        self._expect("RCPT", 250, (250 if code == 251 else code, text))
        self._expect("DATA", 354, self.docmd("data"))
        data = re.sub(rb"(?m)^\.", b"..", data)
        whole = data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")
        last = max(0, len(whole) - _CHUNK)
        for start in range(0, last, _CHUNK):
            self.send(whole[start : min(start + _CHUNK, last)])
        self.in_doubt = True  # from here on the dot that ends the message may arrive
        self.send(whole[last:])
        answer = self.getreply()
        if 400 <= answer[0] < 600:
            self.in_doubt = False
        self._expect("DATA", 250, answer)
        self.in_doubt = False

    def is_stale(self) -> bool:
        """Whether the server has closed the connection, or said that it will."""
        if self.sock is None or monotonic() - self.idle_since > IDLE_SECONDS:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def is_reusable_after(self, refusal: Refused) -> bool:
        """Whether it can carry another message after a refusal, and make it ready for that."""
        if refusal.code < 400 or refusal.code == 421:
            return False
        with suppress(OSError):
            return self.rset()[0] == 250
        return False

    def part(self) -> None:
        """Say goodbye without waiting for an answer."""
        with suppress(OSError):
            self.ends = monotonic() + 1.0
            self.send(b"QUIT\r\n")
        self.close()

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self.ends - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    # smtplib's own, with the deadline

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._server.tls:
                raw.settimeout(self.left())
                return _context(self._server.ca_file).wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise
        return raw

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Timed(self))
        return super().getreply()

    def send(self, s: Any) -> None:
        """Send a command or a part of a message."""
        if self.sock is not None:
            self.sock.settimeout(self.left())
        super().send(s)

    @staticmethod
    def _expect(stage: str, code: int, answer: tuple[int, bytes]) -> None:
        if answer[0] != code:
            raise Refused(stage, *answer)


class _Timed(io.RawIOBase):
    """The reading side of a connection: however slowly it drips, it ends at the deadline."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        sock = self._connection.sock
        if sock is None:
            return 0
        sock.settimeout(self._connection.left())
        return sock.recv_into(buffer)


class Pool:
    """Open connections that wait for the next message; closed when they have idled, and never shared with a child."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._pid = os.getpid()
        self._reaper: threading.Timer | None = None

    def take(self, ends: float) -> Connection:
        """Return a connection that is ready for a message.

        Raises:
            Refused, NoTLS, OSError: there is none to be had.
        """
        while (waiting := self._newest()) is not None:
            if not waiting.is_stale():
                waiting.ends = ends
                return waiting
            waiting.close()
        connection = Connection(self._server, ends)
        try:
            connection.log_in()
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next message."""
        connection.idle_since = monotonic()
        with self._lock:
            self._idle.append(connection)
            if self._reaper is None or not self._reaper.is_alive():
                self._reap_in(IDLE_SECONDS)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._reaper is not None:
                self._reaper.cancel()
        if self._pid == os.getpid():
            for connection in idle:
                connection.part()

    def _newest(self) -> Connection | None:
        with self._lock:
            if self._pid != os.getpid():
                self._idle, self._pid, self._reaper = [], os.getpid(), None  # the parent's are not ours to use
            return self._idle.pop() if self._idle else None

    def _reap_in(self, seconds: float) -> None:
        self._reaper = threading.Timer(seconds, self._reap)
        self._reaper.daemon = True
        self._reaper.start()

    def _reap(self) -> None:
        oldest = monotonic() - IDLE_SECONDS + 0.05
        with self._lock:
            old = [connection for connection in self._idle if connection.idle_since <= oldest]
            self._idle = [connection for connection in self._idle if connection.idle_since > oldest]
            if self._idle:
                self._reap_in(max(0.05, self._idle[0].idle_since - oldest))
        for connection in old:
            connection.part()


def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
