"""Replay: send dead letters again after a person mended their cause, or discard them; safe to press twice.

A run looks no further ahead than some seconds of its rate, so that pausing or stopping it holds back all but those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..enums import Channel, Reason, Refusal, State
from ..models import AuditEntry, Delivery, Notification, Template
from ..models.delivery_queries import standing_of
from ..rules.dead_letters import Pace
from ..rules.standing import Change
from ..rules.transitions import ended
from ..wakeups import REPLAY_JOB, wake_on_commit
from .dead_letters import Choice, filter_from
from .operate import By
from .record import record
from .replay_checks import Judged, judge, refusals
from .runs import Key, Runs

REPLAY, DISCARD = "replay", "discard"
USUAL_RATE, MOST_RATE = 50, 1_000
_LOOK_PAGE = 1_000
#: A dry run looks at so many; what lies beyond is judged when its turn comes.
MOST_LOOKED_AT = 2_000
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


class _Replays(Runs):
    name, noun, job = "replay", "replay", REPLAY_JOB
    rest = "what was not reached is still among the dead letters; mend the cause, then replay them again"

    def channel(self, entry: AuditEntry) -> str:
        return str(entry.detail["channel"])

    def can_wait(self, entry: AuditEntry) -> bool:
        """Whether the last turn that was given lies so far ahead that the next page can wait."""
        next_at = entry.detail.get("next_at")
        return bool(next_at) and datetime.fromisoformat(next_at) > Delivery.objects.database_now() + _AHEAD

    def page(self, entry: AuditEntry, cursor: Sequence[Any] | None, most: int) -> list[Key]:
        choice = wanted_of(entry).choice
        letters = choice.after(datetime.fromisoformat(cursor[0]), UUID(cursor[1])) if cursor else choice.letters()
        return list(letters.values_list("updated_at", "pk")[:most])

    def act(self, entry: AuditEntry, keys: Sequence[UUID]) -> int:
        wanted = wanted_of(entry)
        return _act([row for row in Delivery.objects.lock_ids(keys) if _is_meant(row, wanted.choice)], wanted, entry)

    def finish(self, entry: AuditEntry) -> None:
        refused = Counter(entry.detail["refused"])
        refused[Refusal.GONE.value] += max(0, (entry.planned or 0) - (entry.done or 0) - refused.total())
        entry.detail["refused"] = dict(+refused)
        super().finish(entry)


#: The runs that replay or discard dead letters.
REPLAYS = _Replays()


def begin(wanted: Wanted, by: By) -> AuditEntry:
    """Write down who wants what and why, and ask a worker to do it.

    The same wish of the same moment is one run, however often it is pressed: two would go at twice the rate.
    """

    def plan() -> tuple[int, dict[str, Any]]:
        first = wanted.choice.letters().first()
        planned = len(wanted.choice.ids) or wanted.choice.count()
        return planned, {"channel": first.channel if first else Channel.PUSH, "refused": {}}

    return REPLAYS.begin_once(wanted.action, by, wanted.choice.filter.values(), wanted.detail(), plan)


def continue_replays() -> None:
    """Ask workers to go on with every run that is under way and not paused."""
    REPLAYS.continue_all()


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
    while REPLAYS.work_on(entry.pk):
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


def _is_meant(row: Delivery, choice: Choice) -> bool:
    """Whether a letter, now that it is locked, is still the one that was chosen: it may have been replayed and died."""
    return row.state == State.DEAD and row.updated_at <= choice.until


def _act(rows: Sequence[Delivery], wanted: Wanted, entry: AuditEntry) -> int:
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
    kept["refused"] = dict(+(Counter(kept["refused"]) + refusals(judged)))
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
