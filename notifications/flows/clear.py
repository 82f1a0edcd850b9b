"""Clear: expire or cancel what waits and fits a filter, in the background, page by page; safe to press twice.

A run is a line in the audit that says who, why and what; how far it has come is kept there too, and each page commits
together with it. As long as it is unfinished there is a mark, which the sweeper sees; whoever works on a run holds the
mark's row, so no page is worked on twice. What a worker holds at that moment goes out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from ..enums import Reason, State
from ..models import AuditEntry, Delivery, Mark
from ..models.delivery_queries import standing_of
from ..rules.masking import unquoted
from ..rules.standing import Change, Standing
from ..rules.transitions import ended
from ..wakeups import CLEAR_JOB, wake, wake_on_commit
from .alerts import raise_alert
from .operate import By, audit
from .record import record
from .waiting import MOST_AT_ONCE, Chosen, waiting_from

logger = logging.getLogger("notifications.clear")
EXPIRE, CANCEL = "expire_waiting", "cancel_waiting"
ACTIONS = (EXPIRE, CANCEL)
PAGE = 500
_MOST_FAILURES = 5
_LOOKED_BACK = 2_000
_MARK = "clear:"


def begin(action: str, chosen: Chosen, by: By) -> AuditEntry:
    """Write down who wants what and why, and ask a worker to do it.

    The same wish of the same moment is one run, however often it is pressed: `chosen.until` tells one from another.
    """
    subject = ", ".join(f"{name}: {text}" for name, text in chosen.filter.values().items())[:200]
    detail: dict[str, Any] = {"filter": chosen.filter.values(), "until": chosen.until.isoformat()}
    with transaction.atomic():
        name = f"{_MARK}{action}:{chosen.until.timestamp():.6f}"[:40]
        # Two presses at once: the second waits here for the first, and finds its run.
        Mark.objects.get_or_create(name=name, defaults={"value": "asked"})
        Mark.objects.select_for_update().get(name=name)
        newest = AuditEntry.objects.order_by("-pk").values("pk")[:_LOOKED_BACK]
        same = AuditEntry.objects.filter(pk__in=newest, action=action, subject=subject, detail__until=detail["until"])
        if (entry := same.order_by("pk").first()) is None:
            entry = AuditEntry.objects.create(
                actor=by.actor[:150],
                action=action,
                reason=by.reason[:300],
                subject=subject,
                planned=chosen.count(),
                done=0,
                detail={**detail, "seen": 0},
            )
            Mark.objects.create(name=f"{_MARK}{entry.pk}", value="0")
            wake_on_commit([chosen.filter.channel], CLEAR_JOB, str(entry.pk))
        Mark.objects.filter(name=name).delete()
    return entry


def work_on(entry_id: int) -> bool:
    """Act on the next page of a run; return whether another one should follow at once.

    A page that fails again and again ends the run with an alert; what is left of it still waits.
    """
    try:
        return _work_on(entry_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("clear %s: a page failed", entry_id, exc_info=unquoted(error))
        _note_failure(entry_id, type(error).__name__)
        return False


def work_for(entry_id: int, seconds: float) -> AuditEntry:
    """Work on a run for a moment and return how far it is; workers do the rest."""
    deadline = time.monotonic() + seconds
    while work_on(entry_id) and time.monotonic() < deadline:
        pass
    return AuditEntry.objects.get(pk=entry_id)


def unfinished() -> list[AuditEntry]:
    """Return the runs that are under way."""
    names = Mark.objects.filter(name__startswith=_MARK).values_list("name", flat=True)
    keys = [int(key) for name in names if (key := name.removeprefix(_MARK)).isdecimal()]
    return list(AuditEntry.objects.filter(pk__in=keys).order_by("pk")) if keys else []


def continue_clearing() -> None:
    """Ask workers to go on with every run that is under way."""
    for entry in unfinished():
        wake(entry.detail["filter"]["channel"], CLEAR_JOB, str(entry.pk))


def stop(entry_id: int, by: By) -> bool:
    """Stop a run after the page that is under way; return whether it was. What it has not come to still waits."""
    with transaction.atomic():
        stopped = bool(Mark.objects.filter(name=f"{_MARK}{entry_id}").delete()[0])
        if stopped:
            audit(by, "stop_clearing", subject=str(entry_id))
    return stopped


def chosen_of(entry: AuditEntry) -> Chosen:
    """Return what a run was asked to act on."""
    return Chosen(waiting_from(entry.detail["filter"]), datetime.fromisoformat(entry.detail["until"]))


def _work_on(entry_id: int) -> bool:
    with transaction.atomic():
        mark = Mark.objects.select_for_update(skip_locked=True).filter(name=f"{_MARK}{entry_id}").first()
        if mark is None:
            return False
        entry = AuditEntry.objects.get(pk=entry_id)
        chosen, kept = chosen_of(entry), entry.detail
        cursor = kept.get("cursor")
        found = chosen.rows()
        if cursor:
            found = chosen.after(cursor[0], datetime.fromisoformat(cursor[1]), UUID(cursor[2]))
        page = list(found.values_list("lane", "due_at", "pk")[: min(PAGE, MOST_AT_ONCE - kept["seen"])])
        # Asked again under the lock: meanwhile it may have been claimed, or wait for something else.
        rows = list(
            chosen.rows().filter(pk__in=[key for *_, key in page]).order_by("pk").select_for_update(of=("self",))
        )
        entry.done = (entry.done or 0) + _act(rows, entry)
        if page:
            lane, due, key = page[-1]
            kept["cursor"] = [lane, due.isoformat(), str(key)]
        kept["seen"] += len(page)
        more = len(page) == PAGE and kept["seen"] < MOST_AT_ONCE
        if not more:
            mark.delete()
            kept["finished_at"] = Delivery.objects.database_now().isoformat()
        entry.save(update_fields=["done", "detail"])
    return more


def _act(rows: Sequence[Delivery], entry: AuditEntry) -> int:
    """Expire or cancel a page of locked deliveries and return how many that were."""
    if not rows:
        return 0
    now = Delivery.objects.database_now()
    changes = []
    for row in rows:
        before = standing_of(row)
        note = f"{'expired' if entry.action == EXPIRE else 'cancelled'} by hand: {entry.reason}"
        changes.append(
            Change(row.pk, before, _after(entry.action, before, now), keep=True, actor=entry.actor, note=note)
        )
    return len(record(changes))


def _after(action: str, before: Standing, now: datetime) -> Standing:
    """Return where a delivery ends. What is cancelled falls back to no other channel; what expires does as ever."""
    if action == EXPIRE:
        return ended(before, State.EXPIRED, Reason.TTL, now)
    return ended(before, State.CANCELLED, Reason.NONE, now)._replace(fallback_at=None)


def _note_failure(entry_id: int, error: str) -> None:
    with transaction.atomic():
        mark = Mark.objects.select_for_update().filter(name=f"{_MARK}{entry_id}").first()
        if mark is None:
            return
        mark.value = str(int(mark.value) + 1)
        mark.save(update_fields=["value"])
        if int(mark.value) >= _MOST_FAILURES:
            mark.delete()
            told = f"a page failed {_MOST_FAILURES} times with {error}: what it has not come to still waits"
            raise_alert("clearing_stopped", str(entry_id), told)
