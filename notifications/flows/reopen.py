"""Reopen: a broadcast that was done goes on with what is sent anew, so that it can be paused, judged and stopped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from uuid import UUID

from ..enums import BroadcastStatus
from ..models import Broadcast
from ..rules.excess import Judged
from .judge_broadcasts import counts_of

#: Planned to the end: what comes anew is all that it can go on with.
_PLANNED = (BroadcastStatus.SENDING, BroadcastStatus.DONE)


def reopen(notification_ids: Collection[UUID], *, looked_at: Collection[UUID] = ()) -> None:
    """Let those of these notifications that are broadcasts and were done go on with what was just given them to send.

    Their rows are locked even where they are not done: whoever would finish one now does not see what is not
    committed. The lock comes last, since all who send anew for a broadcast wait for it until the commit.
    What failed of those `looked_at` was seen by a person: only what fails from now on may stop them.
    """
    planned = Broadcast.objects.filter(notification_id__in=notification_ids, status__in=_PLANNED)
    for made in planned.defer("audience", "exclude").order_by("pk").select_for_update():
        was_done, judged_from = made.status == BroadcastStatus.DONE, made.judged_from
        if made.notification_id in looked_at:
            made.judged_from = _seen(made, was_done=was_done)
        if was_done:
            made.status, made.finished_at = BroadcastStatus.SENDING, None
        if was_done or made.judged_from != judged_from:
            made.save(update_fields=["status", "finished_at", "judged_from"])


def _seen(made: Broadcast, *, was_done: bool) -> dict[str, int] | None:
    """Return what it is judged from: all that had failed when it was done, less what is no failure any more."""
    if was_done:
        return asdict(counts_of(made))
    return asdict(counts_of(made).least(Judged(**made.judged_from))) if made.judged_from else None
