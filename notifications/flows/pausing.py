"""Pausing: nothing goes out on a channel for a while because an operator says so; what is due waits and is kept.

A pause is a row in PostgreSQL with an end. A claim takes nothing of a paused channel, and what a worker holds goes back
to pending at its next group of sends: it waits as it waited before, so a resume needs no second look at anything.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from ..enums import Channel
from ..models import ChannelPause
from ..wakeups import wake_on_commit
from .operate import By, audit

LONGEST = timedelta(days=7)
_KEPT_SECONDS = 1.0


class _Pauses:
    """The open pauses, read at most once a second by each process."""

    def __init__(self) -> None:
        self.until: dict[str, datetime] = {}
        self.read_at = float("-inf")

    def get(self, channel: str) -> datetime | None:
        """Return when the channel goes on, or None if it is not paused."""
        if time.monotonic() - self.read_at > _KEPT_SECONDS:
            self.until = dict(ChannelPause.objects.filter(until__gt=Now()).values_list("channel", "until"))
            self.read_at = time.monotonic()
        return self.until.get(channel)

    def forget(self) -> None:
        """Read them again when asked next."""
        self.read_at = float("-inf")


_pauses = _Pauses()


def paused_until(channel: str) -> datetime | None:
    """Return when a channel's pause ends, None if it is not paused; known to within a second."""
    return _pauses.get(channel)


def forget_pauses() -> None:
    """Let this process read the pauses again when it needs them next."""
    _pauses.forget()


def pause_channel(channel: Channel, lasting: timedelta, by: By) -> ChannelPause:
    """Let nothing go out on a channel for a while, `LONGEST` at most; pausing again sets the end anew.

    Raises:
        ValueError: the time is not positive or too long.
    """
    if not timedelta(0) < lasting <= LONGEST:
        raise ValueError(f"a pause lasts at most {LONGEST.days} days")
    with transaction.atomic():
        made, _new = ChannelPause.objects.update_or_create(
            channel=channel,
            defaults={"until": Now() + lasting, "reason": by.reason[:300], "paused_by": by.actor[:150]},
        )
        audit(by, "pause_channel", subject=channel.value, minutes=int(lasting.total_seconds() // 60))
    forget_pauses()
    made.refresh_from_db()
    return made


def resume_channel(channel: Channel, by: By) -> bool:
    """End a channel's pause and wake its workers; return whether it was paused."""
    with transaction.atomic():
        ended = bool(ChannelPause.objects.filter(channel=channel).delete()[0])
        if ended:
            audit(by, "resume_channel", subject=channel.value)
            wake_on_commit([channel])
    forget_pauses()
    return ended


def pauses() -> dict[str, ChannelPause]:
    """Return the pauses that are in force, by channel."""
    return {row.channel: row for row in ChannelPause.objects.filter(until__gt=Now())}
