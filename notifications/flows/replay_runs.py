"""Replay runs: which are under way, and pausing, resuming or stopping one; its mark is there as long as it lasts."""

from __future__ import annotations

from django.db import transaction

from ..models import AuditEntry, Mark
from ..wakeups import REPLAY_JOB, wake, wake_on_commit
from .operate import By, audit

MARK, PAUSED = "replay:", "paused"


def unfinished() -> list[AuditEntry]:
    """Return the runs that are under way, paused ones among them."""
    keys = Mark.objects.filter(name__startswith=MARK).values_list("name", flat=True)
    return list(AuditEntry.objects.filter(pk__in=[int(name.removeprefix(MARK)) for name in keys]).order_by("pk"))


def is_paused(entry_id: int) -> bool:
    """Whether somebody paused a run that is under way."""
    return Mark.objects.filter(name=f"{MARK}{entry_id}", value=PAUSED).exists()


def continue_replays() -> None:
    """Ask workers to go on with every run that is under way and not paused."""
    for entry in unfinished():
        if not is_paused(entry.pk):
            wake(entry.detail["channel"], REPLAY_JOB, str(entry.pk))


def pause(entry_id: int, by: By) -> bool:
    """Pause a run after the page that is under way; return whether it went on. Letters that had their turn go out."""
    with transaction.atomic():
        going_on = Mark.objects.filter(name=f"{MARK}{entry_id}").exclude(value=PAUSED)
        paused = bool(going_on.update(value=PAUSED))
        if paused:
            audit(by, "pause_replay", subject=str(entry_id))
    return paused


def resume(entry_id: int, by: By) -> bool:
    """Let a paused run go on where it stands; return whether it was paused."""
    with transaction.atomic():
        resumed = bool(Mark.objects.filter(name=f"{MARK}{entry_id}", value=PAUSED).update(value="0"))
        if resumed:
            audit(by, "resume_replay", subject=str(entry_id))
            wake_on_commit([AuditEntry.objects.get(pk=entry_id).detail["channel"]], REPLAY_JOB, str(entry_id))
    return resumed


def stop(entry_id: int, by: By) -> bool:
    """Stop a run after the page that is under way; return whether it was. What it has not come to is still dead."""
    with transaction.atomic():
        stopped = bool(Mark.objects.filter(name=f"{MARK}{entry_id}").delete()[0])
        if stopped:
            audit(by, "stop_replay", subject=str(entry_id))
    return stopped
