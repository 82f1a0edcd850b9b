"""One request over HTTP/2 and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from h2.errors import ErrorCodes

from .exchange import NoAnswer, NotSent, Response

__all__ = ["Exchange", "NoAnswer", "NotSent", "Response", "named"]


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
