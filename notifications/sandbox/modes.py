"""Faults of a whole provider, set while the sandbox runs: out, limited, slow, locked out, or dropping connections."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .limits import retry_after_value
from .records import CHANNELS

PROVIDERS = (*CHANNELS, "fcm-token")
"""Who can be at fault; ``fcm-token`` is Google's OAuth token endpoint, which can fail while FCM itself is well."""

MODES: dict[str, str] = {
    "ok": "no fault",
    "outage": "503, nothing accepted",
    "rate_limited": "429 with Retry-After, as a date if `as_date`, nothing accepted",
    "unauthorized": "401, nothing accepted",
    "slow": "accepted at once, answered after `delay` seconds",
    "drip": "accepted, headers at once, the body little by little within `delay` seconds",
    "reset": "connection reset after the request was read, nothing accepted",
    "reset_after_accept": "accepted, then connection reset instead of an answer",
    "error_after_accept": "accepted, then answered 500",
    "garbage": "200 with a page of HTML instead of JSON, nothing accepted",
}


class BadModeError(ValueError):
    """The request to set a mode makes no sense; its text says why."""


@dataclass(slots=True)
class Mode:
    """How one provider behaves, until when, and for which share of its requests."""

    name: str
    until: float | None = None
    delay: float = 1.0
    retry_after: int = 2
    as_date: bool = False
    share: float = 1.0
    debt: float = 0.0

    def strikes(self) -> bool:
        """Say whether this request is among the share: spread evenly, so that a share is exact and no dice fall."""
        self.debt += self.share
        if self.debt < 1.0 - 1e-9:
            return False
        self.debt -= 1.0
        return True

    def retry_after_value(self) -> str:
        """Return the Retry-After header, in seconds or as a date."""
        return retry_after_value(self.retry_after, as_date=self.as_date)

    def as_json(self) -> dict[str, Any]:
        """Return what ``GET /sandbox/faults`` shows."""
        left = None if self.until is None else round(max(0.0, self.until - time.monotonic()), 3)
        return {
            "mode": self.name,
            "seconds": left,
            "delay": self.delay,
            "retry_after": self.retry_after,
            "as_date": self.as_date,
            "share": self.share,
        }


class Modes:
    """The present mode of every provider."""

    def __init__(self) -> None:
        """Start with every provider well."""
        self._modes: dict[str, Mode] = {}

    def set(self, provider: str, wanted: Mapping[str, Any]) -> Mode:
        """Put ``provider`` into a mode; raises ``BadModeError`` if it, or a value, is unknown."""
        _check_provider(provider)
        unknown = set(wanted) - {"mode", "seconds", "delay", "retry_after", "as_date", "share"}
        if unknown:
            raise BadModeError(f"unknown: {', '.join(sorted(unknown))}")
        name = wanted.get("mode")
        if name not in MODES:
            raise BadModeError(f"mode must be one of {', '.join(MODES)}")
        seconds = _number(wanted, "seconds", None)
        mode = Mode(
            name=name,
            until=None if seconds is None else time.monotonic() + seconds,
            delay=_number(wanted, "delay", 1.0) or 0.0,
            retry_after=int(_number(wanted, "retry_after", 2) or 0),
            as_date=bool(wanted.get("as_date", False)),
            share=_number(wanted, "share", 1.0) or 0.0,
        )
        if mode.share > 1:
            raise BadModeError("share must be between 0 and 1")
        if name == "ok":
            self._modes.pop(provider, None)
        else:
            self._modes[provider] = mode
        return mode

    def reset(self, provider: str | None = None) -> None:
        """Make one provider well again, or all."""
        if provider is None:
            self._modes.clear()
        else:
            _check_provider(provider)
            self._modes.pop(provider, None)

    def strike(self, provider: str) -> Mode | None:
        """Return the mode that applies to this very request, or None if the provider answers as it should."""
        mode = self.current(provider)
        return mode if mode is not None and mode.strikes() else None

    def as_json(self) -> dict[str, Any]:
        """Return every provider's mode."""
        return {provider: (self.current(provider) or Mode("ok")).as_json() for provider in PROVIDERS}

    def current(self, provider: str) -> Mode | None:
        """Return the mode that is in force now, without counting a request."""
        mode = self._modes.get(provider)
        if mode is not None and mode.until is not None and time.monotonic() >= mode.until:
            del self._modes[provider]
            return None
        return mode


def _check_provider(provider: str) -> None:
    if provider not in PROVIDERS:
        raise BadModeError(f"provider must be one of {', '.join(PROVIDERS)}")


def _number(wanted: Mapping[str, Any], key: str, default: float | None) -> float | None:
    value = wanted.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadModeError(f"{key} must be a number of at least 0")
    return float(value)
