"""Doubt: what an attempt leaves behind whose end nobody knows, and how a provider's idempotency key lifts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .standing import Standing

# A claim may take this long to come to its last send, and the provider counts from its first sight of the key.
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Key:
    """How long a provider honours the key of an attempt, and the earliest moment at which it may have seen it."""

    lifetime: timedelta
    used_at: datetime


def doubted(standing: Standing, key: Key | None) -> Standing:
    """Return the standing after an attempt that was written and not definitively refused.

    With a key nothing is lost yet: the same request under the same key cannot be taken twice while the key lives.
    """
    if key is None or standing.maybe_sent or key.lifetime <= MARGIN:
        return standing._replace(maybe_sent=True)
    return standing._replace(keyed_at=standing.keyed_at or key.used_at)


def is_doubted(standing: Standing) -> bool:
    """Whether an earlier attempt may have gone out."""
    return standing.maybe_sent or standing.keyed_at is not None


def pinned_to(standing: Standing) -> str:
    """Return the provider that alone may carry the next attempt, or "" if any of the route may.

    Another provider gets a message only when it is certain that the first has not sent it.
    """
    return standing.provider if is_doubted(standing) else ""


def resumed(standing: Standing, provider: str, lifetime: timedelta | None, now: datetime) -> Standing:
    """Return the standing with which an attempt through `provider` begins.

    The key of the earlier attempt holds for the same provider and within its lifetime; otherwise the recipient may
    get the message twice, and the delivery is marked once the attempt is made.
    """
    if standing.keyed_at is None:
        return standing
    holds = provider == standing.provider and lifetime is not None and now < standing.keyed_at + lifetime - MARGIN
    return standing if holds else standing._replace(keyed_at=None, maybe_sent=True)
