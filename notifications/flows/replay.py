"""Replay: send dead letters again after a person mended their cause, or discard them; safe to press twice.

A run is a line in the audit that says who, why, which letters and at which rate; its counts and how far it has come
are kept there too, and each page of letters commits together with them. As long as it is unfinished there is a mark,
which the sweeper sees: whoever works on it holds the mark's row, so a page is never worked on twice. A run looks no
further ahead than some seconds of its rate, so that pausing or stopping it holds back all but those.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from ..enums import Channel, Reason, Refusal, State
from ..models import AuditEntry, Delivery, Mark, Notification, Template
from ..models.delivery_queries import standing_of
from ..rules.dead_letters import Pace
from ..rules.masking import unquoted
from ..rules.standing import Change
from ..rules.transitions import ended
from ..wakeups import REPLAY_JOB, wake_on_commit
from .alerts import raise_alert
from .dead_letters import MOST_AT_ONCE, Choice, filter_from
from .operate import By
from .record import record
from .replay_checks import Judged, judge, refusals
from .replay_runs import MARK, PAUSED

logger = logging.getLogger("notifications.replay")
REPLAY, DISCARD = "replay", "discard"
USUAL_RATE, MOST_RATE = 50, 1_000
PAGE = 500
_LOOK_PAGE = 1_000
#: A dry run looks at so many; what lies beyond is judged when its turn comes.
MOST_LOOKED_AT = 2_000
_MOST_FAILURES = 5
_AGAIN = "what was not reached is still among the dead letters; mend the cause, then replay them again"
#: How far ahead of the clock letters get their turns.
_AHEAD = timedelta(seconds=10)


@dataclass(frozen=True)
class Wanted:
    """What somebody wants done with dead letters; a rate of 0 sends all at once."""

    action: str
    choice: Choice
    rate: int = USUAL_RATE
    also_reached: bool = False

    def detail(self) -> dict[str, Any]:
        """Return it as the audit keeps it."""
        kept: dict[str, Any] = {"until": self.choice.until.isoformat(), "rate": self.rate}
        kept["also_reached"] = self.also_reached
        if self.choice.everything:
            return {**kept, "everything": True}
        if self.choice.ids:
            return {**kept, "ids": [str(key) for key in self.choice.ids]}
        return {**kept, "filter": self.choice.filter.values()}


@dataclass
class Replayed:
    """What a replay did, or would do: how many go out again, and why the others do not."""

    will_send: int = 0
    may_arrive_twice: int = 0
    unmended: int = 0
    looked_at: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def add(self, judged: Sequence[Judged]) -> None:
        """Count a batch."""
        self.looked_at += len(judged)
        self.will_send += sum(item.will_send for item in judged)
        self.may_arrive_twice += sum(item.may_arrive_twice for item in judged)
        self.unmended += sum(item.unmended for item in judged)
        self.refused += refusals(judged)
        self.held += Counter(item.held for item in judged if item.held)


def look(wanted: Wanted) -> Replayed:
    """Return what a replay would do now: nothing is locked, nothing is written."""
    total = Replayed()
    now = Delivery.objects.database_now()
    pace = Pace(wanted.rate, now)
    letters = wanted.choice.letters()
    while total.looked_at < MOST_LOOKED_AT:
        rows = list(letters[:_LOOK_PAGE])
        if rows:
            total.add(judge(rows, now, pace, also_reached=wanted.also_reached))
        if len(rows) < _LOOK_PAGE:
            break
        letters = wanted.choice.after(rows[-1].updated_at, rows[-1].pk)
    return total


def begin(wanted: Wanted, by: By) -> AuditEntry:
    """Write down who wants what and why, and ask a worker to do it."""
    with transaction.atomic():
        first = wanted.choice.letters().first()
        channel = first.channel if first else Channel.PUSH
        entry = AuditEntry.objects.create(
            actor=by.actor[:150],
            action=wanted.action,
            reason=by.reason[:300],
            subject=", ".join(f"{name}: {text}" for name, text in wanted.choice.filter.values().items())[:200],
            planned=len(wanted.choice.ids) or wanted.choice.count(),
            done=0,
            detail={**wanted.detail(), "channel": channel, "refused": {}, "seen": 0},
        )
        Mark.objects.create(name=f"{MARK}{entry.pk}", value="0")
        wake_on_commit([channel], REPLAY_JOB, str(entry.pk))
    return entry


def work_on(entry_id: int) -> bool:
    """Act on the next page of a run; return whether another one should follow at once.

    A page that fails again and again ends the run with an alert; what is left of it is still dead.
    """
    try:
        return _work_on(entry_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("replay %s: a page failed", entry_id, exc_info=unquoted(error))
        _note_failure(entry_id, type(error).__name__)
        return False


def work_for(entry_id: int, seconds: float) -> AuditEntry:
    """Work on a run for a moment and return how far it is; workers do the rest."""
    deadline = time.monotonic() + seconds
    while work_on(entry_id) and time.monotonic() < deadline:
        pass
    return AuditEntry.objects.get(pk=entry_id)


def replay(ids: Sequence[UUID], *, actor: str, reason: str, dry_run: bool = False) -> Replayed:
    """Replay these dead letters at once: expiry, preference, suppression and quiet hours are looked at again.

    One that is not dead (any more) is left alone. A new generation begins, so that a provider that honours our key
    does not take it for the failed attempt. Recorded with who and why.
    """
    wanted = Wanted(REPLAY, Choice(Delivery.objects.database_now(), ids=tuple(ids)), rate=0)
    if dry_run:
        found = look(wanted)
        return replace(found, refused=found.refused + Counter({Refusal.GONE.value: len(ids) - found.looked_at}))
    entry = begin(wanted, By(actor, reason))
    while work_on(entry.pk):
        pass
    entry.refresh_from_db()
    return Replayed(will_send=entry.done or 0, refused=Counter(entry.detail["refused"]))


def wanted_of(entry: AuditEntry) -> Wanted:
    """Return what a run was asked to do."""
    kept: Mapping[str, Any] = entry.detail
    ids = tuple(UUID(key) for key in kept.get("ids", ()))
    chosen = filter_from(kept.get("filter", {}))
    choice = Choice(datetime.fromisoformat(kept["until"]), chosen, ids, everything=kept.get("everything", False))
    return Wanted(entry.action, choice, kept["rate"], kept["also_reached"])


def _work_on(entry_id: int) -> bool:
    with transaction.atomic():
        mark = Mark.objects.select_for_update(skip_locked=True).filter(name=f"{MARK}{entry_id}").first()
        if mark is None or mark.value == PAUSED:
            return False
        entry = AuditEntry.objects.get(pk=entry_id)
        wanted, kept = wanted_of(entry), entry.detail
        if _is_ahead(kept):
            return False  # the sweeper asks again
        cursor = kept.get("cursor")
        choice = wanted.choice
        letters = choice.after(datetime.fromisoformat(cursor[0]), UUID(cursor[1])) if cursor else choice.letters()
        page = list(letters.values_list("updated_at", "pk")[: min(PAGE, MOST_AT_ONCE - kept["seen"])])
        rows = [row for row in Delivery.objects.lock_ids([key for _, key in page]) if _is_meant(row, choice)]
        refused = Counter(kept["refused"])
        entry.done = (entry.done or 0) + _act(rows, wanted, entry, refused)
        if page:
            kept["cursor"] = [page[-1][0].isoformat(), str(page[-1][1])]
        kept["seen"] += len(page)
        more = len(page) == PAGE and kept["seen"] < MOST_AT_ONCE
        if not more:
            mark.delete()
            refused[Refusal.GONE.value] += max(0, (entry.planned or 0) - entry.done - refused.total())
            kept["finished_at"] = Delivery.objects.database_now().isoformat()
        kept["refused"] = dict(+refused)
        entry.save(update_fields=["done", "detail"])
    return more


def _is_ahead(kept: Mapping[str, Any]) -> bool:
    """Whether the last turn that was given lies so far ahead that the next page can wait."""
    return "next_at" in kept and datetime.fromisoformat(kept["next_at"]) > Delivery.objects.database_now() + _AHEAD


def _is_meant(row: Delivery, choice: Choice) -> bool:
    """Whether a letter, now that it is locked, is still the one that was chosen: it may have been replayed and died."""
    return row.state == State.DEAD and row.updated_at <= choice.until


def _act(rows: Sequence[Delivery], wanted: Wanted, entry: AuditEntry, refused: Counter[str]) -> int:
    """Replay or discard a page of locked letters and return how many that were; count those that were refused."""
    if not rows:
        return 0
    now = Delivery.objects.database_now()
    if wanted.action == DISCARD:
        return len(record(_discarded(row, now, entry) for row in rows))
    kept = entry.detail
    began = datetime.fromisoformat(kept["next_at"]) if "next_at" in kept else now
    pace = Pace(wanted.rate, max(began, now))
    judged = judge(rows, now, pace, also_reached=wanted.also_reached)
    kept["next_at"] = pace.turn().isoformat()
    _take_mended_words([item.row for item in judged if item.will_send])
    written = record(
        Change(item.row.pk, item.before, item.after, keep=True, actor=entry.actor, note=_note(item, entry.reason))
        for item in judged
        if item.after is not None
    )
    refused.update(refusals(judged))
    sent = [item for item in judged if item.will_send and item.row.pk in written]
    wake_on_commit(item.row.channel for item in sent if item.after is not None and item.after.due_at <= now)
    return len(sent)


def _note(item: Judged, reason: str) -> str:
    return f"replayed: {reason}" if item.will_send else f"not replayed ({item.why}): {reason}"


def _discarded(row: Delivery, now: datetime, entry: AuditEntry) -> Change:
    before = standing_of(row)
    after = ended(before, State.CANCELLED, Reason.NONE, now)._replace(fallback_at=None)
    return Change(row.pk, before, after, keep=True, actor=entry.actor, note=f"discarded: {entry.reason}")


def _take_mended_words(rows: Sequence[Delivery]) -> None:
    """Let what failed to render use the words as they are published now; all else keeps its pinned version.

    What falls back from a message to one recipient takes them too; a broadcast's others go on with what they had.
    """
    broken = [row for row in rows if row.reason == Reason.RENDER_ERROR]
    if not broken:
        return
    found = Notification.objects.filter(pk__in={row.notification_id for row in broken})
    templates = dict(found.order_by("pk").select_for_update().values_list("pk", "template"))
    published = Template.objects.filter(slug__in=set(templates.values()), current__isnull=False)
    for slug, current in published.values_list("slug", "current_id"):
        keys = [key for key, template in templates.items() if template == slug]
        Notification.objects.filter(pk__in=keys).exclude(recipient="").update(version_id=current)
        Delivery.objects.use_version([row.pk for row in broken if row.notification_id in keys], current)


def _note_failure(entry_id: int, error: str) -> None:
    with transaction.atomic():
        mark = Mark.objects.select_for_update().filter(name=f"{MARK}{entry_id}").first()
        if mark is None or mark.value == PAUSED:
            return
        mark.value = str(int(mark.value) + 1)
        mark.save(update_fields=["value"])
        if int(mark.value) >= _MOST_FAILURES:
            mark.delete()
            raise_alert("replay_stopped", str(entry_id), f"a page failed {_MOST_FAILURES} times with {error}: {_AGAIN}")
