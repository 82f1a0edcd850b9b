"""Behind: what of a claim waits for the account's pace, for the end of a pause, or for the retry budget."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from .. import conf
from ..enums import Reason
from ..models import Delivery
from ..models.delivery_queries import standing_of
from ..rules.fallback import patience
from ..rules.pacing import Turn, claim_size, wait_behind
from ..rules.retries import BUDGET
from ..rules.standing import Change, Standing
from ..rules.transitions import parked
from . import gate
from .recheck import Facts
from .turns import PATIENCE_SECONDS, is_urgent

# Jitter must differ between workers, not be unpredictable to an attacker.
_draw = random.Random()  # noqa: S311
# They come due a little faster than they may go: a turn must find something due.
_FASTER = 1.25


@dataclass
class Behind:
    """Those of one account that wait behind each other: each comes due about when its turn is, not all at once."""

    alias: str
    turn: Turn
    facts: Facts
    changes: dict[UUID, Change] = field(default_factory=dict)
    queued: int = 0

    def park(self, row: Delivery) -> Change:
        """Let a delivery wait for its turn; no attempt is used."""
        urgent = is_urgent(row.lane)
        # What is urgent waits for nobody but its own kind.
        position = len(self.changes) + (0 if urgent else self.turn.queue)
        wait = self.turn.wait + wait_behind(position / _FASTER, self.turn.rate, gate.pace(self.alias).limit)
        self.queued += not urgent
        return self._park(row, Reason.PACED, timedelta(seconds=wait), in_trouble=self.turn.paused or urgent)

    def put_off(self, row: Delivery) -> Change:
        """Let a retry wait that is beyond the budget."""
        return self._park(row, Reason.RETRY, BUDGET.later(_draw), in_trouble=True)

    def count(self) -> None:
        """Let others know of the queue."""
        if self.queued:
            gate.pace(self.alias).park(self.queued)
            self.queued = 0

    def _park(self, row: Delivery, reason: Reason, wait: timedelta, *, in_trouble: bool) -> Change:
        before = standing_of(row)
        after = parked(before, reason, self.facts.now + wait)
        change = Change(row.id, before, with_patience(after, row, self.facts) if in_trouble else after)
        self.changes[row.id] = change
        return change


def with_patience(waiting: Standing, row: Delivery, facts: Facts) -> Standing:
    """Let patience run from the first trouble on, if there is a channel to fall back to."""
    category = facts.category_of(row)
    if waiting.fallback_at is not None or not category.fallback:
        return waiting
    left = row.expires_at - facts.now if row.expires_at else None
    return waiting._replace(fallback_at=facts.now + patience(category.patience, left))


def split(rows: Sequence[Delivery], behind: Behind, *, alone: bool) -> list[Delivery]:
    """Return which of an account's due deliveries may be claimed now; the others are put behind, or left due.

    `alone` says that no other provider's deliveries can be among those due: then they need not be moved out of the way.
    """
    turn = behind.turn
    retries = BUDGET.left(turn.firsts, turn.failed_retries)
    going: list[Delivery] = []
    most = claim_size(turn.rate, conf.CLAIM_SIZE) if turn.wait <= PATIENCE_SECONDS else 0
    for row in rows:
        if len(going) >= most:
            if most == 0 or not alone:
                behind.park(row)
        elif not row.retries:  # what a dead worker held was no failure of the provider
            going.append(row)
        elif retries > 0:
            retries -= 1
            going.append(row)
        else:
            behind.put_off(row)
    return going
