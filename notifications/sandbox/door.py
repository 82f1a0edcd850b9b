"""What the providers' doors share: the mode in force, refusals in the provider's own shape, hanging up."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from aiohttp import web

from .callbacks import Callbacks
from .limits import Limits, retry_after_value
from .modes import Mode, Modes
from .records import CarillonId
from .store import Store

NO_ID = CarillonId(None, None)

GARBAGE = "<!doctype html><title>Welcome</title><h1>It works!</h1>"
_DRIPS = 8
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(slots=True)
class Targets:
    """Where webhooks go that no request names: settable while the sandbox runs."""

    postmark: str | None = None
    twilio_inbound: str | None = None
    vonage: str | None = None
    resend: str | None = None


@dataclass(slots=True)
class Desk:
    """Everything the doors work with."""

    store: Store
    modes: Modes
    callbacks: Callbacks
    targets: Targets
    limits: Limits = field(default_factory=Limits)
    seen: set[str] = field(default_factory=set)
    """Addresses that fail the first time only, and have."""
    gone: dict[str, int] = field(default_factory=dict)
    """Push tokens whose app was "uninstalled" by an event, and when, in milliseconds since 1970."""
    stopped: set[str] = field(default_factory=set)
    """Numbers that sent STOP: Twilio itself then refuses messages to them with 21610."""
    changes: int = 0
    """Raised by what the inbox shows and no message tells: an event sent by hand, a person's name."""

    def first_time(self, address: str) -> bool:
        """Say whether this address asks for the first time, and remember that it did."""
        if address in self.seen:
            return False
        self.seen.add(address)
        return True

    def reset(self) -> None:
        """Make every provider well and forget what addresses went through."""
        self.modes.reset()
        self.limits.reset()
        self.callbacks.reset()
        self.seen.clear()
        self.gone.clear()
        self.stopped.clear()


class Letter(NamedTuple):
    """Whom a request is for, as the file of refused requests names it."""

    to: str | None
    carillon_id: CarillonId


class Refusal(NamedTuple):
    """A provider's "no": HTTP status, its own error code, and the body in its own shape."""

    status: int
    code: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = {}


class ProviderDoor(ABC):
    """One provider's HTTP interface: its own routes, and the faults that all providers share."""

    provider: ClassVar[str]

    def __init__(self, desk: Desk) -> None:
        """Serve with the store, modes and callbacks of ``desk``."""
        self.desk = desk

    @abstractmethod
    def add_routes(self, app: web.Application) -> None:
        """Add the provider's routes."""

    @abstractmethod
    def mode_refusal(self, mode: str, retry_after: str) -> Refusal:
        """Return this provider's answer for "outage", "rate_limited", "unauthorized" and "error"."""

    def refuse(self, letter: Letter, refusal: Refusal) -> web.Response:
        """Write down that a request was refused, and answer so."""
        self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, refusal.status, refusal.code)
        return json_answer(refusal.body, refusal.status, refusal.headers)

    async def settle(
        self, request: web.Request, letter: Letter, accept: Callable[[], web.Response]
    ) -> web.StreamResponse:
        """Answer a well-formed request: by ``accept``, unless a limit or the mode in force has it otherwise."""
        limit = self.desk.limits.get(self.provider) if self.desk.limits else None
        answer: web.StreamResponse
        if limit is not None and limit.exceeded():
            wait = retry_after_value(limit.retry_after, as_date=limit.as_date)
            answer = self.refuse(letter, self.mode_refusal("rate_limited", wait))
        else:
            answer = await self._settle(request, letter, accept)
        if limit is not None and limit.latency:
            await asyncio.sleep(limit.latency)
        return answer

    async def _settle(
        self, request: web.Request, letter: Letter, accept: Callable[[], web.Response]
    ) -> web.StreamResponse:
        mode = self.desk.modes.strike(self.provider)
        if mode is None:
            answer = accept()
            await self.desk.callbacks.before_answer(self.provider)
            return answer
        if mode.name in ("outage", "rate_limited", "unauthorized"):
            return self.refuse(letter, self.mode_refusal(mode.name, mode.retry_after_value()))
        if mode.name == "garbage":
            self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, 200, "garbage")
            return garbage()
        if mode.name == "reset":
            self.desk.store.refuse(self.provider, letter.to, letter.carillon_id, 0, "reset")
            return hang_up(request)
        answer = accept()
        await self.desk.callbacks.before_answer(self.provider)
        return await self._after(request, mode, answer)

    async def _after(self, request: web.Request, mode: Mode, answer: web.Response) -> web.StreamResponse:
        """Spoil the answer to what was accepted; an answer that refuses stays as it is."""
        if mode.name == "slow":
            await asyncio.sleep(mode.delay)
        elif mode.name == "drip":
            return await drip(request, answer, mode.delay)
        elif answer.status < 300 and mode.name == "reset_after_accept":
            return hang_up(request)
        elif answer.status < 300 and mode.name == "error_after_accept":
            refusal = self.mode_refusal("error", "")
            return json_answer(refusal.body, refusal.status)
        return answer


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer JSON, compactly."""
    return web.Response(
        body=_encode(body).encode("ascii"), status=status, headers=headers, content_type="application/json"
    )


def garbage() -> web.Response:
    """Answer what a captive portal or a broken proxy would."""
    return web.Response(text=GARBAGE, content_type="text/html")


async def drip(request: web.Request, answer: web.Response, seconds: float) -> web.StreamResponse:
    """Send the headers at once, and the body in a few pieces spread over ``seconds``."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    headers = {"Content-Type": answer.headers["Content-Type"], "Content-Length": str(len(body))}
    stream = web.StreamResponse(status=answer.status, headers=headers)
    try:
        await stream.prepare(request)
        for piece in range(_DRIPS):
            await asyncio.sleep(seconds / _DRIPS)
            await stream.write(body[len(body) * piece // _DRIPS : len(body) * (piece + 1) // _DRIPS])
        await stream.write_eof()
    except ConnectionError:  # the client did not wait
        pass
    return stream


def hang_up(request: web.Request) -> web.Response:
    """Reset the connection, so that the client gets no answer; what is returned is never sent."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # With a linger of zero seconds, closing sends RST and not FIN: "connection reset by peer".
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON; raises ValueError."""
    return json.loads(await request.read())


def address_in(request: web.Request) -> str:
    """Return the address that ``?to=`` asks for; in a number typed unescaped, "+" arrives as a blank."""
    asked = request.query.get("to", "")
    return f"+{asked[1:]}" if asked.startswith(" ") and asked[1:].isdecimal() else asked.strip()
