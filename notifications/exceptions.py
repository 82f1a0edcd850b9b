"""Every error Carillon raises, and what kind of outcome each stands for.

::

    NotificationError
    ├─ RequestRejected                  the caller's mistake; nothing was stored
    │  ├─ UnknownTemplate
    │  ├─ UnknownRecipient
    │  ├─ InvalidData
    │  ├─ IdempotencyConflict           same key, other request; or the first is still in flight
    │  ├─ WrongStatus                   a broadcast cannot go there from where it stands
    │  ├─ NotAllowed                    the caller's key is for other templates
    │  └─ SandboxOnly                   a test key, and something that may reach people
    ├─ ProviderError(alias, code, detail)
    │  ├─ TemporaryFailure              answered "later": counts in the breaker
    │  │  └─ RateLimited(retry_after)   answered "slower": does not count
    │  ├─ ProviderUnavailable           certainly not sent: counts in the breaker, fail over
    │  ├─ ProviderMisconfigured         hold the provider, raise an alert, deactivate nobody
    │  ├─ PermanentFailure              refused for good
    │  │  └─ InvalidRecipient           also deactivate the device
    │  └─ UnknownOutcome                written, no answer that can be trusted: counts in the breaker
    └─ WebhookRejected                  nothing was stored
       └─ WebhookUnverified             nobody could tell now whether it is genuine: it may come again
    ConfigurationError                  an ImproperlyConfigured, outside the tree so that nothing swallows it

An error's text never carries message variables, tokens, addresses or credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from django.core.exceptions import ImproperlyConfigured

from .enums import BreakerEffect


class ConfigurationError(ImproperlyConfigured):
    """The settings cannot work; raised at start-up and by `manage.py check`."""


class NotificationError(Exception):
    """Base of every error that a caller may want to catch."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: where it is (JSON pointer), a stable code and a sentence."""

    pointer: str
    code: str
    detail: str


class RequestRejected(NotificationError):
    """The request cannot be accepted; nothing was stored and the caller's transaction is intact."""

    slug: ClassVar[str] = "request-rejected"

    def __init__(self, detail: str, *problems: Problem) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems

    def __str__(self) -> str:
        """Return what is wrong, problem by problem: a developer reads it in a traceback."""
        return " ".join([self.detail, *(f"[{item.pointer}: {item.detail}]" for item in self.problems)])


class UnknownTemplate(RequestRejected):
    """No such template, or it has no published words."""

    slug = "unknown-template"


class UnknownRecipient(RequestRejected):
    """No such user, or an address that cannot be one."""

    slug = "unknown-recipient"


class InvalidData(RequestRejected):
    """Variables are missing, of the wrong type or unknown; or an option has an impossible value."""

    slug = "invalid-data"


class IdempotencyConflict(RequestRejected):
    """The key was used for another request, or its first request is still in flight."""

    slug = "idempotency-conflict"

    def __init__(self, detail: str, *, in_flight: bool) -> None:
        super().__init__(detail)
        self.in_flight = in_flight


class WrongStatus(RequestRejected):
    """What was asked of a broadcast cannot be done in the status that it has."""

    slug = "wrong-status"


class NotAllowed(RequestRejected):
    """The caller's key is for other templates or categories."""

    slug = "not-allowed"


class SandboxOnly(RequestRejected):
    """The caller's key is a test key, and what it asked for may reach people."""

    slug = "sandbox-only"


@dataclass(eq=False)
class ProviderError(NotificationError):
    """A provider did not take the message; subclasses say what kind of outcome it was.

    `code` is the provider's own; `detail` is a sentence without personal data.
    """

    alias: str
    code: str = ""
    detail: str = ""

    breaker: ClassVar[BreakerEffect] = BreakerEffect.NEUTRAL

    def __str__(self) -> str:
        return f"{self.alias}: {self.code} {self.detail}".strip()


@dataclass(eq=False)
class TemporaryFailure(ProviderError):
    """The provider answered "later".

    `retry_after` is in seconds; `maybe_sent` says that the answer came after the request was written
    and does not exclude that it was carried out (any 5xx). `whole_account` says that the wait is asked of the whole
    account: nobody sends anything through it before.
    """

    retry_after: float | None = None
    maybe_sent: bool = False
    whole_account: bool = False
    breaker = BreakerEffect.FAILURE


@dataclass(eq=False)
class RateLimited(TemporaryFailure):
    """The provider answered "slower": certainly not sent, and no sign of ill health.

    It is meant for the whole account unless `whole_account` says that only this device is meant.
    """

    whole_account: bool = True
    breaker = BreakerEffect.NEUTRAL


@dataclass(eq=False)
class ProviderUnavailable(ProviderError):
    """Nothing was written to the provider: certainly not sent."""

    breaker = BreakerEffect.FAILURE


@dataclass(eq=False)
class ProviderMisconfigured(ProviderError):
    """The account, not the message, is at fault: credentials, permissions, sender.

    Where `platforms` names any, only devices of those cannot be reached through it.
    """

    platforms: tuple[str, ...] = ()


@dataclass(eq=False)
class PermanentFailure(ProviderError):
    """The provider refused this message for good."""


@dataclass(eq=False)
class InvalidRecipient(PermanentFailure):
    """The provider says that this address does not exist (any more), perhaps `since` when."""

    suppress: bool = False
    quarantine: bool = field(default=False)
    since: datetime | None = None


@dataclass(eq=False)
class UnknownOutcome(ProviderError):
    """The request was written and no answer came that can be trusted."""

    breaker = BreakerEffect.FAILURE


class WebhookRejected(NotificationError):
    """A callback is not the provider's; nothing was stored."""


class WebhookUnverified(WebhookRejected):
    """What tells a genuine callback cannot be had now; nothing was stored, and the provider may send it again."""
