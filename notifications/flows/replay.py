"""Replay: send dead letters again after a person mended their cause; safe to press twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from ..enums import Reason, State
from ..models import AuditEntry, Delivery, Notification, Template
from ..models.delivery_queries import standing_of
from ..rules.standing import Change
from ..rules.transitions import ended, replayed
from ..wakeups import wake_on_commit
from .recheck import load_facts, recheck
from .record import record

_BATCH = 500


@dataclass
class Replayed:
    """What a replay did, or would do: how many go out again, and why the others do not."""

    will_send: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def replay(ids: Sequence[UUID], *, actor: str, reason: str, dry_run: bool = False) -> Replayed:
    """Replay these dead letters: expiry, preference, suppression and quiet hours are looked at again.

    One that is not dead (any more) is left alone. A new generation begins, so that a provider that honours our key
    does not take it for the failed attempt. Recorded with who and why.
    """
    total = Replayed()
    for start in range(0, len(ids), _BATCH):
        _replay_batch(ids[start : start + _BATCH], total, actor, dry_run=dry_run)
    if not dry_run:
        AuditEntry.objects.create(
            actor=actor,
            action="replay",
            reason=reason,
            planned=len(ids),
            done=total.will_send,
            detail={"refused": total.refused},
        )
    return total


def _replay_batch(ids: Sequence[UUID], total: Replayed, actor: str, *, dry_run: bool) -> None:
    with transaction.atomic():
        rows = [row for row in Delivery.objects.lock_ids(ids) if row.state == State.DEAD]
        _count(total, "already replayed or not dead", len(ids) - len(rows))
        if not rows:
            return
        facts = load_facts(rows, Delivery.objects.database_now())
        verdicts = recheck(rows, facts)
        changes = []
        for row in rows:
            before = standing_of(row)
            verdict = verdicts.get(row.pk)
            if verdict is not None and verdict.after.state != State.PENDING:
                _count(total, f"{verdict.after.state}: {verdict.after.reason}".rstrip(": "), 1)
                after = ended(before, verdict.after.state, verdict.after.reason, facts.now)
            else:
                total.will_send += 1
                after = replayed(before, facts.now)
            changes.append(Change(row.pk, before, after, keep=True, actor=actor, note="replayed"))
        if not dry_run:
            _take_mended_words(rows)
            record(changes)
            wake_on_commit(row.channel for row in rows)


def _take_mended_words(rows: Sequence[Delivery]) -> None:
    """Let what failed to render use the words as they are published now; all else keeps its pinned version."""
    broken = {row.notification_id for row in rows if row.reason == Reason.RENDER_ERROR}
    for notification in Notification.objects.filter(pk__in=broken):
        current = Template.objects.filter(slug=notification.template).values_list("current_id", flat=True).first()
        if current is not None and current != notification.version_id:
            Notification.objects.filter(pk=notification.pk).update(version_id=current)


def discard(ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """Take dead letters off the list without sending them; return how many there were."""
    done = 0
    for start in range(0, len(ids), _BATCH):
        with transaction.atomic():
            rows = [row for row in Delivery.objects.lock_ids(ids[start : start + _BATCH]) if row.state == State.DEAD]
            done += len(
                record(
                    Change(
                        row.pk,
                        standing_of(row),
                        ended(standing_of(row), State.CANCELLED, Reason.NONE, row.due_at),
                        keep=True,
                        actor=actor,
                        note=reason,
                    )
                    for row in rows
                )
            )
    AuditEntry.objects.create(actor=actor, action="discard", reason=reason, planned=len(ids), done=done)
    return done


def _count(total: Replayed, why: str, number: int) -> None:
    if number:
        total.refused[why] = total.refused.get(why, 0) + number
