"""Pausing: nothing goes out on a channel for a while because an operator says so; what is due waits and is kept.

A pause is a row in PostgreSQL with an end. A claim takes nothing of a paused channel, and what a worker holds goes back
to pending at its next group of sends: it waits as it waited before, so a resume needs no second look at anything.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from ..enums import Channel
from ..models import ChannelPause
from ..wakeups import wake_on_commit
from . import gate
from .operate import By, audit

LONGEST = timedelta(days=7)


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
    gate.forget_holds()
    made.refresh_from_db()
    return made


def resume_channel(channel: Channel, by: By) -> bool:
    """End a channel's pause and wake its workers; return whether it was paused."""
    with transaction.atomic():
        ended = bool(ChannelPause.objects.filter(channel=channel).delete()[0])
        if ended:
            audit(by, "resume_channel", subject=channel.value)
            wake_on_commit([channel])
    gate.forget_holds()
    return ended
