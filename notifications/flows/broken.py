"""Broken: what failed of a broadcast, by cause, and how near it is to being stopped for it."""

from __future__ import annotations

from dataclasses import dataclass

from .. import conf
from ..models import Broadcast, Delivery
from ..models.broken_queries import BrokenGroup, broken_groups
from ..models.console_queries import TooSlow, deadline
from ..rules.excess import Judged
from .judge_broadcasts import judged_by
from .status import Progress

MOST_COUNTED = 10_000
_MILLISECONDS = 1_000


@dataclass(frozen=True)
class Broken:
    """Causes with how often each was seen; `more` says that no more than 10,000 deliveries were counted.

    `groups` is None where reading them took too long.
    """

    groups: list[BrokenGroup] | None
    more: bool = False


@dataclass(frozen=True)
class Guard:
    """What a broadcast is judged by at this moment, and the limits at which it stops; None: no limit."""

    judged: Judged
    most_failed: float | None
    most_complaints: float | None
    judged_from: int

    @property
    def failed(self) -> float:
        """The share that failed of what was tried since somebody last let it go on."""
        return self.judged.failed / self.judged.tried if self.judged.tried else 0.0

    @property
    def complained(self) -> float:
        """The share that was complained of."""
        return self.judged.complaints / self.judged.tried if self.judged.tried else 0.0

    @property
    def is_judged(self) -> bool:
        """Whether enough was tried."""
        return self.judged.tried >= self.judged_from


def broken_of(made: Broadcast, progress: Progress) -> Broken:
    """Return what failed of a broadcast; without a statement where its counts say that nothing did."""
    counts = progress.counts
    if made.outcome is not None or not (counts.failed or counts.dead or progress.complaints):
        return Broken([])
    try:
        with deadline(Delivery.objects.db, _MILLISECONDS):
            groups = broken_groups(made.notification_id, MOST_COUNTED)
    except TooSlow:
        return Broken(None)
    return Broken(groups, more=sum(group.count for group in groups) >= MOST_COUNTED)


def guard_of(made: Broadcast, progress: Progress) -> Guard:
    """Return how near a broadcast is to its limits."""
    limits = conf.get().broadcasts
    judged = judged_by(progress).since(Judged(**(made.judged_from or {})))
    return Guard(judged, limits.most_failed, limits.most_complaints, limits.judged_from)
