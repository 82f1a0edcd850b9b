"""When a provider's breaker opens, for how long, and for how long a probe may be under way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pybreaker import STATE_CLOSED

#: Seconds between the leave for a probe and its report that are not the send: claiming, composing, recording.
_BESIDE_THE_SEND = 4.0


@dataclass(frozen=True)
class BreakerPolicy:
    """When a breaker opens and for how long; times in seconds."""

    window: float = 30.0
    minimum_volume: int = 10
    threshold: float = 0.5
    reset_timeout: float = 5.0
    longest_timeout: float = 60.0
    probe_lease: float = 15.0

    def outliving(self, seconds: float) -> BreakerPolicy:
        """Return it with a probe's lease that outlives a send of so many seconds, and what comes before and after."""
        return replace(self, probe_lease=max(self.probe_lease, seconds + _BESIDE_THE_SEND))

    def as_arguments(self) -> list[str]:
        """Return the script's own form of it."""
        return [
            str(int(self.window * 1000)),
            str(self.minimum_volume),
            str(self.threshold),
            str(int(self.reset_timeout * 1000)),
            str(int(self.longest_timeout * 1000)),
            str(int(self.probe_lease * 1000)),
        ]


@dataclass(frozen=True)
class BreakerState:
    """How a breaker stands, for pages."""

    state: str
    failures: int = 0
    successes: int = 0
    retry_after: float = 0.0
    opened_at: datetime | None = None
    reachable: bool = True


@dataclass(frozen=True)
class Permit:
    """Whether a group of sends may start.

    With `probe` set, send exactly one message and report it: nobody else may send until then. A permit that is not
    allowed says in how many seconds to ask again. Report every allowed permit, if only with zeros.
    """

    allowed: bool
    probe: bool = False
    retry_after: float = 0.0
    state: str = STATE_CLOSED
    generation: str = ""
    token: str = ""
