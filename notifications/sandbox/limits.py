"""How fast a provider lets itself be asked, and how long it takes to answer: set while the sandbox runs."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from .records import CHANNELS

_KEYS = frozenset({"per_second", "refuse", "retry_after", "as_date", "latency"})


class BadLimitError(ValueError):
    """The request to set a limit makes no sense; its text says why."""


@dataclass(slots=True)
class Limit:
    """What one provider's account may do.

    Within no second, wherever it begins, are more than ``per_second`` requests let in; ``over`` counts the others,
    which are refused unless ``refuse`` is off. Every answer comes ``latency`` seconds after its request was judged,
    however many wait at the same time.
    """

    per_second: float | None = None
    refuse: bool = True
    retry_after: int = 1
    as_date: bool = False
    latency: float = 0.0
    over: int = 0
    _taken: deque[float] = field(default_factory=deque)

    def exceeded(self) -> bool:
        """Count one request; say whether it is to be refused."""
        if self.per_second is None:
            return False
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) < self.per_second:
            self._taken.append(now)
            return False
        self.over += 1
        return self.refuse

    def as_json(self) -> dict[str, Any]:
        """Return what ``GET /sandbox/limits`` shows."""
        return {
            "per_second": self.per_second,
            "refuse": self.refuse,
            "retry_after": self.retry_after,
            "as_date": self.as_date,
            "latency": self.latency,
            "over": self.over,
        }


class Limits:
    """The limit of every provider that has one."""

    def __init__(self) -> None:
        """Start with none."""
        self._limits: dict[str, Limit] = {}

    def __bool__(self) -> bool:
        """Say whether there is any: the plain path asks nothing more."""
        return bool(self._limits)

    def get(self, provider: str) -> Limit | None:
        """Return this provider's limit, if it has one."""
        return self._limits.get(provider)

    def set(self, provider: str, wanted: Mapping[str, Any]) -> Limit:
        """Replace a provider's limit; raises ``BadLimitError`` if it, or a value, is unknown."""
        _check_provider(provider)
        unknown = set(wanted) - _KEYS
        if unknown:
            raise BadLimitError(f"unknown: {', '.join(sorted(unknown))}")
        for key in ("per_second", "retry_after", "latency"):
            _check_number(key, wanted.get(key))
        limit = Limit(
            per_second=wanted.get("per_second"),
            refuse=bool(wanted.get("refuse", True)),
            retry_after=int(wanted.get("retry_after", 1)),
            as_date=bool(wanted.get("as_date", False)),
            latency=float(wanted.get("latency") or 0.0),
        )
        self._limits[provider] = limit
        return limit

    def reset(self, provider: str | None = None) -> None:
        """Lift one provider's limit, or all."""
        if provider is None:
            self._limits.clear()
        else:
            _check_provider(provider)
            self._limits.pop(provider, None)

    def as_json(self) -> dict[str, Any]:
        """Return the limits in force."""
        return {provider: limit.as_json() for provider, limit in self._limits.items()}


def retry_after_value(seconds: float, *, as_date: bool) -> str:
    """Return a Retry-After header in one of its two forms: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after."""
    if not as_date:
        return str(math.ceil(seconds))
    # A date has no fractions: rounded up, so that nobody is told to come back early.
    return format_datetime(datetime.fromtimestamp(math.ceil(time.time() + seconds), UTC), usegmt=True)


def _check_provider(provider: str) -> None:
    if provider not in CHANNELS:
        raise BadLimitError(f"provider must be one of {', '.join(CHANNELS)}")


def _check_number(key: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
        raise BadLimitError(f"{key} must be a number of at least 0")
