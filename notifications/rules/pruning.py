"""When a provider's word costs a device, and when so many would go that something else must be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers there were, and how many of them called for pruning."""

    results: int
    gone: int

    def exceeds(self, share: float, at_least: int) -> bool:
        """Whether it is more than a share of enough answers to tell."""
        return self.results >= at_least and self.gone > share * self.results


def brakes(claim: Share, hour: Share) -> bool:
    """Whether pruning must stop until a person has looked.

    A wrong key, project or template makes a provider call every token dead. One claim with more than a fifth of them is
    a burst, an hour with more than a tenth is a trickle of the same; people who leave are far fewer.
    """
    return claim.exceeds(0.2, at_least=50) or hour.exceeds(0.1, at_least=1_000)


def is_outdated(last_seen_at: datetime, asked_at: datetime, since: datetime | None) -> bool:
    """Whether a device has not registered since its provider found the address dead.

    `asked_at` is when the message was claimed; `since` the provider's own time of the death, where it names one.
    """
    return last_seen_at <= asked_at and (since is None or last_seen_at < since)
