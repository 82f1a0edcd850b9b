"""A provider's answers as data: one row says which outcome a code stands for, and which page says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..enums import BreakerEffect
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    RateLimited,
    TemporaryFailure,
)


@dataclass(frozen=True)
class Answer:
    """One row of a provider's table.

    `says` is shown to support, so it never quotes the provider: a quotation may carry an address.
    `retry_after` is the wait in seconds when the provider names none, or with `at_least` names less. `neutral` answers
    say nothing about the provider's health, whatever their outcome. The last three columns matter for callbacks only:
    how many automatic retries may follow, after how many in a row the device goes, and whether a content filter stopped
    the message.
    """

    outcome: type[ProviderError]
    says: str
    page: str
    retry_after: float | None = None
    maybe_sent: bool = False
    suppress: bool = False
    quarantine: bool = False
    neutral: bool = False
    one_device: bool = False
    at_least: bool = False
    retries: int = 0
    deactivate_after: int = 0
    filtered: bool = False

    @property
    def breaker(self) -> BreakerEffect:
        """What the breaker is told."""
        return BreakerEffect.NEUTRAL if self.neutral else self.outcome.breaker

    def to_error(self, alias: str, code: str, retry_after: float | None = None) -> ProviderError:
        """Return the row as the error that rules act on; the provider's own Retry-After wins, unless too early."""
        if retry_after is not None and self.at_least and retry_after < (self.retry_after or 0.0):
            retry_after = None
        error = self._error(alias, code, retry_after)
        if self.neutral:
            error.breaker = BreakerEffect.NEUTRAL  # type: ignore[misc]  # of this answer, not of its whole kind
        return error

    def _error(self, alias: str, code: str, retry_after: float | None) -> ProviderError:
        wait = self.retry_after if retry_after is None else retry_after
        if issubclass(self.outcome, RateLimited):
            return self.outcome(alias, code, self.says, wait, whole_account=not self.one_device)
        if issubclass(self.outcome, TemporaryFailure):
            # A 503 with Retry-After speaks for the service, not for the message; a wait of ours in the table does not.
            return self.outcome(
                alias, code, self.says, wait, self.maybe_sent, retry_after is not None and not self.neutral
            )
        if issubclass(self.outcome, InvalidRecipient):
            return self.outcome(alias, code, self.says, self.suppress, self.quarantine)
        return self.outcome(alias, code, self.says)


_HTTP = "https://www.rfc-editor.org/rfc/rfc9110#section-15"

#: What an HTTP status means where the body names no code that we know.
BY_STATUS: Mapping[int, Answer] = {
    401: Answer(ProviderMisconfigured, "The provider does not accept the credentials.", _HTTP),
    402: Answer(ProviderMisconfigured, "The provider's account is out of credit or has no plan for this.", _HTTP),
    403: Answer(ProviderMisconfigured, "The provider does not allow this account to send.", _HTTP),
    404: Answer(ProviderMisconfigured, "The provider has nothing at this address: is base_url right?", _HTTP),
    407: Answer(ProviderMisconfigured, "A proxy on the way asks for credentials.", _HTTP),
    408: Answer(TemporaryFailure, "The provider gave up waiting for the request.", _HTTP, maybe_sent=True),
    420: Answer(RateLimited, "The account's sending limit is reached.", "https://developers.sparkpost.com/api/"),
    425: Answer(TemporaryFailure, "The provider asks to try again.", _HTTP),
    429: Answer(RateLimited, "The provider asks to send more slowly.", _HTTP),
}
_REDIRECT = Answer(ProviderMisconfigured, "The address of the provider's API redirects elsewhere.", _HTTP)
_CLIENT = Answer(PermanentFailure, "The provider refused the message.", _HTTP)
_SERVER = Answer(TemporaryFailure, "The provider has a fault of its own.", _HTTP, maybe_sent=True)


def by_status(status: int) -> Answer | None:
    """Return what a refusing HTTP status means by itself, or None for a status that refuses nothing."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return _SERVER
    if status >= 400:
        return _CLIENT
    return _REDIRECT if status >= 300 else None


def retry_after_seconds(value: str | None) -> float | None:
    """Return a Retry-After header, given in seconds or as a date, as seconds from now; None if it is neither.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
