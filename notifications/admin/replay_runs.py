"""A replay or discard that is under way: how far it is, and pausing, resuming or stopping it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from ..flows.operate import By
from ..flows.replay import REPLAY
from ..flows.replay_runs import is_paused, pause, resume, stop, unfinished
from ..models import AuditEntry
from .markup import moment

PAUSE, RESUME = "pause", "resume"


def steer(entry: AuditEntry, act: str, by: By) -> str:
    """Pause a run, let it go on or stop it; return what came of it, also where somebody else was faster."""
    if act == PAUSE:
        done, told = pause(entry.pk, by), _("It is paused; what had its turn already goes out all the same.")
    elif act == RESUME:
        done, told = resume(entry.pk, by), _("It goes on where it stood.")
    else:
        done, told = stop(entry.pk, by), _("It was stopped; what it has not come to is still here.")
    return told if done else _("Nothing was changed: somebody was faster, or it has finished.")


def progress_of(entry: AuditEntry) -> dict[str, Any]:
    """Return how far a run is: whether it goes on, the share that was looked at, and when it will be through."""
    kept = entry.detail
    planned, seen = entry.planned or 0, kept.get("seen", 0)
    under_way = any(other.pk == entry.pk for other in unfinished())
    paused = under_way and is_paused(entry.pk)
    rate, left = kept.get("rate", 0), max(0, planned - seen)
    last = datetime.fromisoformat(kept["next_at"]) if "next_at" in kept else None
    return {
        "under_way": under_way,
        "paused": paused,
        "seen": seen,
        "percent": min(100, 100 * seen // planned) if planned else 100,
        "seconds_left": left // rate if rate and under_way and not paused else 0,
        "last_turn": moment(last) if last is not None and last > datetime.now(UTC) else "",
    }


def run_lines(entry: AuditEntry) -> list[tuple[str, str]]:
    """Return who asked for a run, why, and for which letters, as (term, text)."""
    kept = entry.detail
    lines = [(_("Who"), entry.actor), (_("Why"), entry.reason), (_("Begun"), moment(entry.created_at))]
    if entry.action == REPLAY:
        lines.append((_("In a second"), f"{kept.get('rate', 0)}"))
    asked = kept.get("filter") or {}
    text = ", ".join(f"{name}: {value}" for name, value in asked.items())
    by_hand = _("%(count)d by hand") % {"count": len(kept.get("ids", ()))}
    lines.append((_("Which"), _("all there were") if kept.get("everything") else text or by_hand))
    return lines
