"""Queues: what waits on which channel and why, and who works on it; counts end at a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..enums import Channel
from ..models import Claim
from ..models.figures import Depth, Held, Waiting, standing, waiting_by_reason
from ..wakeups import live_workers, waiting
from .overview import MOST_DUE

#: Of each channel and lane so many are looked at to tell why they wait.
MOST_READ = 2_500
_MOST_CLAIMS = 200


@dataclass(frozen=True)
class WorkerRow:
    """A worker, as it told Redis or its claims know it; `seen_at` is when it last told."""

    name: str
    serves: Sequence[str]
    seen_at: datetime | None
    claims: int
    stuck: int


@dataclass(frozen=True)
class Queues:
    """All that the page shows; `swept` is in seconds, `wake_ups` None where Redis is away."""

    now: datetime
    depths: Sequence[Depth]
    reasons: Sequence[Waiting]
    pauses: Mapping[str, Held]
    workers: Sequence[WorkerRow]
    stuck: Sequence[Claim]
    swept: float | None
    sweeper: str
    wake_ups: Mapping[str, int | None]
    redis_is_away: bool


def look() -> Queues:
    """Return what waits and who works on it, in three statements."""
    seen = standing(MOST_DUE + 1)
    claims = list(Claim.objects.order_by("lease_expires_at")[:_MOST_CLAIMS])
    known = {channel: live_workers(channel) for channel in Channel}
    stuck = [claim for claim in claims if claim.lease_expires_at < seen.now]
    return Queues(
        now=seen.now,
        depths=seen.depths,
        reasons=waiting_by_reason(MOST_READ),
        pauses={item.name: item for item in seen.pauses},
        workers=_workers(known, claims, {claim.pk for claim in stuck}),
        stuck=stuck,
        swept=seen.sweeper[1] if seen.sweeper else None,
        sweeper=seen.sweeper[0] if seen.sweeper else "",
        wake_ups={channel.value: waiting(channel) for channel in Channel},
        redis_is_away=None in known.values(),
    )


def at(seconds: float) -> datetime:
    """Return a moment from the seconds of the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def _workers(
    known: Mapping[Channel, Mapping[str, datetime] | None], claims: Sequence[Claim], stuck: set[int]
) -> list[WorkerRow]:
    """Return the workers that Redis knows, and those that it does not know and that hold claims nevertheless."""
    serves: dict[str, set[str]] = {}
    seen_at: dict[str, datetime] = {}
    for channel, names in known.items():
        for name, told in (names or {}).items():
            serves.setdefault(name, set()).add(channel.value)
            seen_at[name] = max(told, seen_at.get(name, told))
    rows = []
    for name in (*sorted(serves), *sorted({claim.worker for claim in claims} - serves.keys())):
        own = [claim for claim in claims if claim.worker == name]
        channels = sorted(serves.get(name) or {claim.channel for claim in own}, key=Channel.values.index)
        rows.append(WorkerRow(name, channels, seen_at.get(name), len(own), sum(claim.pk in stuck for claim in own)))
    return rows
