"""One request over HTTP/2 and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from h2.errors import ErrorCodes


class Http2Error(Exception):
    """A request came to nothing; `code` names the cause."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotSent(Http2Error):
    """The peer certainly did not act on the request."""


class NoAnswer(Http2Error):
    """The request was written, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what has come back so far; `answer` is for whoever sent it."""

    stream: int
    answer: asyncio.Future[Response]
    unsent: bytes
    began: float
    written: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    def fail(self, code: str, *, unseen: bool = False) -> None:
        """End without an answer; `unseen` says that the peer did not act on it, though it was written."""
        if not self.answer.done():
            self.answer.set_exception(NotSent(code) if unseen or not self.written else NoAnswer(code))


def named(frame: str, code: ErrorCodes | int | None) -> str:
    """Return a frame that ends something, with its code's name, as support reads it."""
    return f"{frame} {code.name if isinstance(code, ErrorCodes) else code}"
