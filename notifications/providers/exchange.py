"""What comes of one request on a connection of ours: an answer, or the truth about whether the peer may have acted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class RequestError(Exception):
    """A request came to nothing; `code` names the cause."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotSent(RequestError):
    """The peer certainly did not act on the request."""


class NoAnswer(RequestError):
    """The request was written, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
