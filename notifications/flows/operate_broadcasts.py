"""Operate broadcasts: what people do to them in the console, each with a line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from ..enums import BroadcastStatus
from ..exceptions import RequestRejected
from .control import cancel_broadcast, pause, resume
from .left_out import PLANNED, plan_left_out
from .newer_words import NEWEST
from .operate import By, audit

_WAITING = (BroadcastStatus.PAUSED, BroadcastStatus.STOPPED)
_OPEN = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING, BroadcastStatus.SENDING)
#: In which statuses each of them can be done; the flows themselves decide.
ALLOWED: Mapping[str, Sequence[BroadcastStatus]] = {
    "pause": _OPEN,
    "resume": _WAITING,
    "resume_newest": _WAITING,
    "plan_left_out": PLANNED,
    "cancel": (*_OPEN, *_WAITING, BroadcastStatus.DRAFT),
}


def control(name: str, keys: Sequence[UUID], by: By) -> tuple[int, list[str]]:
    """Do one of these to broadcasts; return to how many, and why not to the others."""
    acts: Mapping[str, Callable[[UUID], object]] = {
        "pause": pause,
        "resume": lambda key: resume(key, actor=by.actor),
        "resume_newest": lambda key: resume(key, version=NEWEST, actor=by.actor),
        "plan_left_out": plan_left_out,
        "cancel": lambda key: cancel_broadcast(key, actor=by.actor),
    }
    done, refused = 0, []
    for key in keys:
        try:
            acts[name](key)
        except RequestRejected as error:
            refused.append(str(error))
        else:
            audit(by, f"{name}_broadcast", subject=str(key), done=1)
            done += 1
    return done, refused
