"""Operate broadcasts: what people do to them in the console, each with a line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from ..enums import HELD_STATUSES, BroadcastStatus
from ..exceptions import RequestRejected
from ..models import Broadcast
from .control import cancel_broadcast, pause, resume
from .left_out import PLANNED, plan_left_out
from .newer_words import NEWEST
from .operate import By, audit

_OPEN = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING, BroadcastStatus.SENDING)
#: In which statuses each of them can be done; the flows themselves decide.
ALLOWED: Mapping[str, Sequence[BroadcastStatus]] = {
    "pause": _OPEN,
    "resume": HELD_STATUSES,
    "resume_newest": HELD_STATUSES,
    "plan_left_out": PLANNED,
    # Fallbacks may follow one that is done.
    "cancel": (*_OPEN, *HELD_STATUSES, BroadcastStatus.DRAFT, BroadcastStatus.DONE),
}


def control(name: str, keys: Sequence[UUID], by: By, *, version: int | str | None = None) -> tuple[int, list[str]]:
    """Do one of these to broadcasts; return to how many, and why not to the others.

    What somebody else has done meanwhile, or a second press, is refused, and leaves no second line in the audit.
    """
    wanted = NEWEST if name == "resume_newest" else version
    acts: Mapping[str, Callable[[UUID], object]] = {
        "pause": pause,
        "resume": lambda key: resume(key, version=wanted, actor=by.actor),
        "resume_newest": lambda key: resume(key, version=wanted, actor=by.actor),
        "plan_left_out": plan_left_out,
        "cancel": lambda key: cancel_broadcast(key, actor=by.actor),
    }
    done, refused = 0, []
    for key in keys:
        before = Broadcast.objects.filter(pk=key).values_list("status", flat=True).first()
        if before is None or before not in ALLOWED[name]:
            refused.append(_refusal(name, before))
            continue
        try:
            found = acts[name](key)
        except RequestRejected as error:
            refused.append(str(error))
        else:
            told: dict[str, object] = {"before": before, "version": wanted}
            told["after"] = found.status if isinstance(found, Broadcast) else before
            kept: Mapping[str, Any] = {item: value for item, value in told.items() if value is not None}
            audit(by, f"{name}_broadcast", subject=str(key), done=1, **kept)
            done += 1
    return done, refused


def _refusal(name: str, status: str | None) -> str:
    if status is None:
        return "There is no such broadcast."
    done = {"pause": "paused", "cancel": "cancelled"}.get(name, "resumed")
    if name == "plan_left_out":
        return f"Of a broadcast that is {status}, nobody can be planned again."
    return f"A broadcast that is {status} cannot be {done}."
