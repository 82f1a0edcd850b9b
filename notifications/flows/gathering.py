"""Gathering: messages that come one by one are claimed by the handful, since a claim costs as much as sending ten."""

from __future__ import annotations

from .. import conf
from ..enums import Channel, Lane
from ..wakeups import forget, gather
from .claim import Claimed
from .stopping import stopping

GATHER_SECONDS = 0.075


class Gathering:
    """After a small claim one worker of a channel looks again soon, and meanwhile nobody needs to be woken."""

    def __init__(self, channel: Channel, worker: str) -> None:
        self.channel, self.worker = channel, worker
        self._is_on = False

    def wait(self) -> bool:
        """Give more a moment to come; return False if another worker does so already."""
        self._is_on = gather(self.channel, self.worker)
        if self._is_on:
            stopping.wait(GATHER_SECONDS)
        return self._is_on

    def end(self) -> bool:
        """Let wake-ups through again; return whether some may have been spared, so that one more look is due."""
        was_on, self._is_on = self._is_on, False
        if was_on:
            forget(self.channel)
        return was_on


def trickles(claimed: Claimed) -> bool:
    """Whether little came, which may wait for a moment, through an account that has no rate to say when to look."""
    batch = claimed.batch
    if claimed.enough or batch is None or claimed.due >= min(conf.START_GROUP, conf.CLAIM_SIZE):
        return False
    return batch.deliveries[0].lane >= Lane.NORMAL
