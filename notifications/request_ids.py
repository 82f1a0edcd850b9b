"""The id of the request that is being answered: whoever logs something meanwhile can say which one it was."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-Id"
_USABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")
_current: ContextVar[str] = ContextVar("carillon_request_id", default="")


def take(given: str) -> str:
    """Return the caller's id if it can be one (up to 64 plain characters), else a new one; it is current now."""
    identity = given if _USABLE.fullmatch(given) else uuid.uuid4().hex
    _current.set(identity)
    return identity


def current() -> str:
    """Return the id of the request that this thread or task answers, empty where it answers none."""
    return _current.get()


def forget(**_: object) -> None:
    """Let no id be current: the request is over, and so is what is logged of it."""
    _current.set("")
