"""What follows from an adapter's answer: the one place where a kind of outcome becomes a standing."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from ..enums import Reason, State
from ..exceptions import (
    InvalidRecipient,
    PermanentFailure,
    ProviderError,
    ProviderMisconfigured,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from ..messages import SendResult
from .doubt import Key, doubted
from .retries import RATE_LIMITED, RATE_LIMITED_AT_LEAST, USUAL
from .standing import Standing, storable

MISCONFIGURED_WAIT = timedelta(seconds=60)


def after_send(
    standing: Standing,
    result: SendResult,
    now: datetime,
    draw: random.Random,
    wait: timedelta,
    key: Key | None = None,
) -> Standing:
    """Return where a delivery stands once its attempt was answered (or not).

    `wait` is how long an uncertain delivery waits for a receipt, `key` the provider's idempotency key if it has one.
    """
    standing = _counted(standing, result.message.attempt)
    error = result.error
    if error is None:
        return standing._replace(
            state=State.SENT,
            reason=Reason.NONE,
            sent_at=now,
            maybe_sent=True,
            keyed_at=None,
            lost_leases=0,
            provider_message_id=storable(result.provider_message_id, 255),
            error_code="",
            error_detail="",
        )
    standing = standing._replace(error_code=storable(error.code, 60), error_detail=storable(error.detail, 2_000))
    if isinstance(error, UnknownOutcome):
        return doubted(standing, key)._replace(
            state=State.UNCERTAIN,
            reason=Reason.NO_ANSWER,
            due_at=now + wait,
            retries=standing.retries + 1,
        )
    if isinstance(error, InvalidRecipient):
        return standing._replace(state=State.FAILED, reason=Reason.INVALID_RECIPIENT)
    if isinstance(error, PermanentFailure):
        return standing._replace(state=State.FAILED, reason=Reason.REFUSED)
    if isinstance(error, ProviderMisconfigured):
        return standing._replace(state=State.PENDING, reason=Reason.BREAKER_OPEN, due_at=now + MISCONFIGURED_WAIT)
    if isinstance(error, TemporaryFailure) and error.maybe_sent:
        standing = doubted(standing, key)
    expires_at = result.message.expires_at
    return _retry(standing, error, now, draw, expires_at - now if expires_at else None)


def exhausted(standing: Standing) -> bool:
    """Whether an uncertain delivery has used up its retries."""
    return standing.retries >= USUAL.most


def _retry(
    standing: Standing, error: ProviderError, now: datetime, draw: random.Random, left: timedelta | None
) -> Standing:
    limited = isinstance(error, RateLimited)
    temporary = isinstance(error, TemporaryFailure)
    policy = RATE_LIMITED if limited else USUAL
    retry_after = error.retry_after if isinstance(error, TemporaryFailure) else None
    if limited and retry_after is None:
        retry_after = RATE_LIMITED_AT_LEAST
    delay = policy.delay(standing.retries, retry_after, draw, left)
    if delay is None:
        return standing._replace(state=State.DEAD, reason=Reason.RETRIES_EXHAUSTED)
    # An unavailable provider was never reached: the breaker decides when to try, so no retry is used up.
    used = 1 if temporary else 0
    return standing._replace(
        state=State.PENDING,
        reason=Reason.PACED if limited else Reason.RETRY,
        due_at=now + delay,
        retries=standing.retries + used,
    )


def _counted(standing: Standing, attempt: int) -> Standing:
    """Count the attempt once, and let go of the claim.

    The delivery may be a duplicate as soon as a further attempt was made after one that may have gone out.
    """
    further = attempt > standing.attempt
    return standing._replace(
        attempt=max(standing.attempt, attempt),
        possible_duplicate=standing.possible_duplicate or (further and standing.maybe_sent),
        claim_id=None,
        position=None,
    )
