"""Clear: expire or cancel what waits and fits a filter, in the background; safe to press twice.

What a worker holds at that moment goes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..enums import Reason, State
from ..models import AuditEntry, Delivery
from ..models.delivery_queries import standing_of
from ..rules.standing import Change, Standing
from ..rules.transitions import ended
from ..wakeups import CLEAR_JOB
from .operate import By
from .record import record
from .runs import Key, Runs
from .waiting import Chosen, waiting_from

EXPIRE, CANCEL = "expire_waiting", "cancel_waiting"
ACTIONS = (EXPIRE, CANCEL)


class _Clearings(Runs):
    name, noun, job = "clear", "clearing", CLEAR_JOB
    rest = "what it has not come to still waits"

    def channel(self, entry: AuditEntry) -> str:
        return str(entry.detail["filter"]["channel"])

    def page(self, entry: AuditEntry, cursor: Sequence[Any] | None, most: int) -> list[Key]:
        chosen = chosen_of(entry)
        found = chosen.rows()
        if cursor:
            found = chosen.after(cursor[0], datetime.fromisoformat(cursor[1]), UUID(cursor[2]))
        return list(found.values_list("lane", "due_at", "pk")[:most])

    def act(self, entry: AuditEntry, keys: Sequence[UUID]) -> int:
        # Asked again under the lock: meanwhile it may have been claimed, or wait for something else.
        rows = chosen_of(entry).rows().filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))
        return _act(list(rows), entry)


#: The runs that expire or cancel what waits.
CLEARINGS = _Clearings()


def begin(action: str, chosen: Chosen, by: By) -> AuditEntry:
    """Write down who wants what and why, and ask a worker to do it.

    The same wish of the same moment is one run, however often it is pressed: `chosen.until` tells one from another.
    """
    asked = chosen.filter.values()
    wish: dict[str, Any] = {"filter": asked, "until": chosen.until.isoformat()}
    return CLEARINGS.begin_once(action, by, asked, wish, lambda: (chosen.count(), {}))


def continue_clearing() -> None:
    """Ask workers to go on with every run that is under way."""
    CLEARINGS.continue_all()


def chosen_of(entry: AuditEntry) -> Chosen:
    """Return what a run was asked to act on."""
    return Chosen(waiting_from(entry.detail["filter"]), datetime.fromisoformat(entry.detail["until"]))


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
