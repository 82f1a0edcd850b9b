"""A replay or discard that is under way: how far it is, and pausing, resuming or stopping it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

from django.utils.translation import gettext as _

from ..flows.operate import By
from ..flows.replay import REPLAY, REPLAYS
from ..models import AuditEntry
from .markup import moment, redacted

PAUSE, RESUME, STOP = "pause", "resume", "stop"


def steer(entry: AuditEntry, act: str, by: By) -> str:
    """Pause a run, let it go on or stop it; return what came of it, also where somebody else was faster."""
    if act == PAUSE:
        done, told = REPLAYS.pause(entry.pk, by), _("It is paused; what had its turn already goes out all the same.")
    elif act == RESUME:
        done, told = REPLAYS.resume(entry.pk, by), _("It goes on where it stood.")
    else:
        done = act in (STOP, "") and REPLAYS.stop(entry.pk, by)
        told = _("It was stopped; what it has not come to is still here.")
    return told if done else _("Nothing was changed: somebody was faster, or it has finished.")


def progress_of(entry: AuditEntry) -> dict[str, Any]:
    """Return how far a run is: whether it goes on, how many have had their turn, and when it will be through.

    `live` says that it changes by itself: letters have turns ahead of them even after the last was looked at.
    """
    kept = entry.detail
    planned, seen, rate = entry.planned or 0, kept.get("seen", 0), kept.get("rate", 0)
    under_way = REPLAYS.is_under_way(entry.pk)
    paused = under_way and REPLAYS.is_paused(entry.pk)
    last = datetime.fromisoformat(kept["next_at"]) if "next_at" in kept else None
    ahead = max(0.0, (last - datetime.now(UTC)).total_seconds()) if last is not None else 0.0
    # `next_at` is the turn after the last that was given: with just that ahead, nobody waits any more.
    waiting = min(entry.done or 0, max(0, ceil(ahead * rate) - 1))
    through = max(0, seen - waiting)
    to_look_at = max(0, planned - seen) if under_way and not paused else 0
    return {
        "under_way": under_way,
        "paused": paused,
        "live": under_way or waiting > 0,
        "through": through,
        "percent": min(100, 100 * through // planned) if planned else 100,
        "seconds_left": ceil(ahead + to_look_at / rate) if rate and not paused else 0,
        "last_turn": moment(last) if waiting and last is not None else "",
    }


def run_lines(entry: AuditEntry, *, full: bool) -> list[tuple[str, str]]:
    """Return who asked for a run, why, and for which letters, as (term, text); masked where not `full`."""
    kept = entry.detail
    why = entry.reason if full else redacted(entry.reason)
    lines = [(_("Who"), entry.actor), (_("Why"), why), (_("Begun"), moment(entry.created_at))]
    if entry.action == REPLAY:
        lines.append((_("In a second"), f"{kept.get('rate', 0)}"))
    asked = kept.get("filter") or {}
    text = ", ".join(f"{name}: {value}" for name, value in asked.items())
    by_hand = _("%(count)d by hand") % {"count": len(kept.get("ids", ()))}
    lines.append((_("Which"), _("all there were") if kept.get("everything") else text or by_hand))
    return lines
