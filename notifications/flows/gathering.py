"""Gathering: what comes one by one is taken by the handful, since to claim or look costs as much as ten rows."""

from __future__ import annotations

from .. import conf
from ..enums import Channel, Lane
from ..wakeups import DRAIN_JOB, forget, gather
from .claim import Claimed
from .stopping import stopping

GATHER_SECONDS = 0.075


class Gathering:
    """After taking little, one worker of a channel looks again soon, and meanwhile nobody needs to be woken."""

    def __init__(self, channel: Channel, worker: str, job: str = DRAIN_JOB) -> None:
        self.channel, self.worker, self.job = channel, worker, job
        self._is_on = False

    def wait(self) -> bool:
        """Give more a moment to come; return False if another worker does so already."""
        self._is_on = gather(self.channel, self.worker, self.job)
        if self._is_on:
            stopping.wait(GATHER_SECONDS)
        return self._is_on

    def end(self) -> bool:
        """Let wake-ups through again; return whether some may have been spared, so that one more look is due."""
        was_on, self._is_on = self._is_on, False
        if was_on:
            forget(self.channel, self.job)
        return was_on


def trickles(claimed: Claimed) -> bool:
    """Whether little came, which may wait for a moment, through an account that has no rate to say when to look."""
    batch = claimed.batch
    if claimed.enough or batch is None or claimed.due >= min(conf.START_GROUP, conf.CLAIM_SIZE):
        return False
    return batch.deliveries[0].lane >= Lane.NORMAL
