"""One client's conversation with the sandbox's mail server."""

from __future__ import annotations

import asyncio
import binascii
import hmac
import re
import secrets
import socket
import ssl
import struct
from base64 import b64decode
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from .credentials import SMTP_PASSWORD, SMTP_USER
from .door import GARBAGE, NO_ID, Desk
from .modes import Mode
from .records import CarillonId, parse_carillon_id
from .smtp_faults import smtp_fault

MAX_MESSAGE = 25 * 1024 * 1024
_ADDRESS = re.compile(r"<([^>]*)>")
_OUR_ID = re.compile(r"<?([0-9a-f-]{32,36}\.g?\d+)@")
_DRIPS = 8
_MAIL_REFUSALS = {
    "outage": "421 4.3.2 Service not available, closing connection",
    "rate_limited": "450 4.7.1 Rate limit exceeded, try again later",
    "unauthorized": "530 5.7.0 Authentication required",
}


class Session:
    """What one client has said so far."""

    def __init__(
        self, desk: Desk, tls: ssl.SSLContext | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Listen to ``reader``."""
        self._desk = desk
        self._tls = tls
        self._reader = reader
        self._writer = writer
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._mode: Mode | None = None
        self._over = False
        self._commands: dict[str, Callable[[str], Awaitable[str]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    async def run(self) -> None:
        """Talk until either side ends it."""
        await self._say("220 localhost ESMTP Carillon sandbox")
        while not self._over:
            line = await self._reader.readline()
            if not line:
                return
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if verb.upper() == "STARTTLS":
                await self._start_tls()
                continue
            command = self._commands.get(verb.upper())
            reply = "500 5.5.1 Command not recognized" if command is None else await command(rest)
            if reply:
                await self._say(reply)

    async def _say(self, reply: str) -> None:
        self._writer.write(f"{reply}\r\n".encode())
        await self._writer.drain()

    async def _start_tls(self) -> None:
        if self._tls is None or self._writer.get_extra_info("ssl_object") is not None:
            await self._say("502 5.5.1 Not available")
            return
        await self._say("220 2.0.0 Ready to start TLS")
        await self._writer.start_tls(self._tls)
        self._forget()

    async def _ehlo(self, _rest: str) -> str:
        self._forget()
        offered = ["localhost", "PIPELINING", "8BITMIME", "SMTPUTF8", f"SIZE {MAX_MESSAGE}", "ENHANCEDSTATUSCODES"]
        if self._tls is not None and self._writer.get_extra_info("ssl_object") is None:
            offered.append("STARTTLS")
        offered.append("AUTH PLAIN LOGIN")
        return "\r\n".join([*(f"250-{name}" for name in offered[:-1]), f"250 {offered[-1]}"])

    async def _helo(self, _rest: str) -> str:
        self._forget()
        return "250 localhost"

    async def _auth(self, rest: str) -> str:
        method, _, given = rest.partition(" ")
        try:
            if method.upper() == "PLAIN":
                _, user, password = (await self._answer_to("") if not given else _decoded(given)).split("\0")
            elif method.upper() == "LOGIN":
                user = _decoded(given) if given else await self._answer_to("VXNlcm5hbWU6")
                password = await self._answer_to("UGFzc3dvcmQ6")
            else:
                return "504 5.5.4 Unrecognized authentication type"
        except (ValueError, binascii.Error):
            return "501 5.5.2 Cannot decode"
        known = hmac.compare_digest(f"{user}:{password}".encode(), f"{SMTP_USER}:{SMTP_PASSWORD}".encode())
        mode = self._desk.modes.current("smtp")
        if known and (mode is None or mode.name != "unauthorized"):
            return "235 2.7.0 Authentication successful"
        self._refuse(None, 535, "5.7.8")
        return "535 5.7.8 Authentication credentials invalid"

    async def _answer_to(self, challenge: str) -> str:
        await self._say(f"334 {challenge}")
        return _decoded((await self._reader.readline()).decode("ascii").strip())

    async def _mail(self, rest: str) -> str:
        """Begin a message; here a limit or the mode in force is first felt."""
        self._forget()
        limit = self._desk.limits.get("smtp") if self._desk.limits else None
        if limit is not None and limit.exceeded():
            return self._refusal(None, _MAIL_REFUSALS["rate_limited"])
        self._mode = self._desk.modes.strike("smtp")
        if self._mode is not None and self._mode.name in _MAIL_REFUSALS:
            self._over = self._mode.name == "outage"
            return self._refusal(None, _MAIL_REFUSALS[self._mode.name])
        found = _ADDRESS.search(rest)
        if found is None:
            return "501 5.5.4 Syntax: MAIL FROM:<address>"
        self._sender = found[1]
        return "250 2.1.0 Ok"

    async def _rcpt(self, rest: str) -> str:
        if self._sender is None:
            return "503 5.5.1 MAIL first"
        found = _ADDRESS.search(rest)
        if found is None or "@" not in found[1]:
            return "501 5.1.3 Bad recipient address syntax"
        address = found[1]
        fault = smtp_fault(address)
        if fault is not None and not fault.at_data and (not fault.first_only or self._desk.first_time(address)):
            self._over = fault.code == 421
            return self._refusal(address, fault.reply)
        self._recipients.append(address)
        return "250 2.1.5 Ok"

    async def _data(self, _rest: str) -> str:
        if not self._recipients:
            return "503 5.5.1 RCPT first"
        await self._say("354 End data with <CR><LF>.<CR><LF>")
        raw = await self._body()
        limit = self._desk.limits.get("smtp") if self._desk.limits else None
        reply = await self._settle(raw)
        if limit is not None and limit.latency:
            await asyncio.sleep(limit.latency)
        self._forget()
        return reply

    async def _body(self) -> bytes:
        """Return the message, without the dots that lines beginning with one were given."""
        lines = []
        while (line := await self._reader.readline()) not in (b".\r\n", b".\n"):
            if not line:
                raise ConnectionError("gone within a message")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def _settle(self, raw: bytes) -> str:
        """Take the message, unless its recipient or the mode in force has it otherwise."""
        message = message_from_bytes(raw, policy=default)
        our_id, mode = _carillon_id(message), self._mode
        for address in self._recipients:
            fault = smtp_fault(address)
            if fault is not None and fault.at_data:
                return self._refusal(address, fault.reply, our_id)
        if mode is not None and mode.name in ("garbage", "reset"):
            self._refuse(self._recipients[0], 200 if mode.name == "garbage" else 0, mode.name, our_id)
            return GARBAGE if mode.name == "garbage" else self._hang_up()
        queued = self._take(message, our_id)
        if mode is None:
            return queued
        if mode.name == "slow":
            await asyncio.sleep(mode.delay)
        elif mode.name == "drip":
            await self._drip(queued, mode.delay)
            return ""
        elif mode.name == "reset_after_accept":
            return self._hang_up()
        elif mode.name == "error_after_accept":
            return "451 4.3.0 Error: queue file write error"
        return queued

    def _take(self, message: EmailMessage, our_id: CarillonId) -> str:
        queue_id = secrets.token_hex(5).upper()
        message_id = str(message.get("Message-ID", "")).strip().strip("<>") or queue_id
        content = {
            "subject": str(message.get("Subject", "")),
            "text": _part(message, "plain"),
            "html": _part(message, "html"),
        }
        request = {
            "From": str(message.get("From", "")),
            "sender": self._sender,
            "queue_id": queue_id,
            "Headers": [{"Name": name, "Value": str(value)} for name, value in message.items()],
        }
        self._desk.store.accept("smtp", self._recipients, our_id, message_id, content, request)
        return f"250 2.0.0 Ok: queued as {queue_id}"

    async def _drip(self, reply: str, seconds: float) -> None:
        line = f"{reply}\r\n".encode()
        for piece in range(_DRIPS):
            await asyncio.sleep(seconds / _DRIPS)
            self._writer.write(line[len(line) * piece // _DRIPS : len(line) * (piece + 1) // _DRIPS])
            await self._writer.drain()

    def _hang_up(self) -> str:
        """Reset the connection; what is returned is never sent."""
        connection = self._writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self._over = True
        return ""

    async def _rset(self, _rest: str) -> str:
        self._forget()
        return "250 2.0.0 Ok"

    async def _noop(self, _rest: str) -> str:
        return "250 2.0.0 Ok"

    async def _quit(self, _rest: str) -> str:
        self._over = True
        return "221 2.0.0 Bye"

    def _forget(self) -> None:
        self._sender, self._recipients, self._mode = None, [], None

    def _refusal(self, address: str | None, reply: str, our_id: CarillonId = NO_ID) -> str:
        """Write down that something was refused, and return the reply that says so."""
        code, enhanced, _ = reply.split(" ", 2)
        self._refuse(address, int(code), enhanced, our_id)
        return reply

    def _refuse(self, address: str | None, code: int, reason: str, our_id: CarillonId = NO_ID) -> None:
        self._desk.store.refuse("smtp", address, our_id, code, reason)


def _decoded(text: str) -> str:
    return b64decode(text, validate=True).decode("utf-8")


def _carillon_id(message: EmailMessage) -> CarillonId:
    """Return our id: a header of its own, or the first half of the Message-ID."""
    header = message.get("X-Carillon-Id")
    if header is not None:
        return parse_carillon_id(str(header).strip())
    found = _OUR_ID.match(str(message.get("Message-ID", "")).strip())
    return parse_carillon_id(found[1]) if found else NO_ID


def _part(message: EmailMessage, kind: str) -> str:
    """Return the message's body of this kind, or nothing."""
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        text = part.get_content()
    except (LookupError, ValueError):  # an encoding that Python does not know
        return ""
    return text if isinstance(text, str) else ""
