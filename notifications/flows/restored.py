"""Restored: a backup does not know what was sent since. What may have gone out is doubted, and marked if sent again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from .. import conf
from ..enums import Channel, State
from ..models import Delivery, Mark, Notification
from ..models.delivery_queries import standing_of
from ..rules.identity import time_of
from ..rules.standing import Change
from ..rules.transitions import restored
from . import gate
from .record import record

NAME = "restored"
#: The moment of the last restore as this process read it, once: workers are started after it.
_known: list[datetime | None] = []


def restored_at() -> datetime | None:
    """Return when this database was last restored from a backup, as far as it was told (`carillon after-restore`)."""
    if not _known:
        value = Mark.objects.filter(name=NAME).values_list("value", flat=True).first()
        _known.append(datetime.fromisoformat(value) if value else None)
    return _known[0]


def remember(moment: datetime) -> None:
    """Keep the moment of a restore."""
    Mark.objects.update_or_create(name=NAME, defaults={"value": moment.isoformat()})
    forget()


def forget() -> None:
    """Read it anew at the next question."""
    _known.clear()


def doubt_planned(notification: Notification, ids: Iterable[str | UUID], due_since: datetime | None = None) -> None:
    """Doubt what was planned just now, if it could have been planned, and sent, before the restore already.

    That is so for pages of a broadcast and for fallbacks whose notification is older (and not scheduled for later),
    and for a digest that was due (`due_since`). What was accepted since costs no statement.
    """
    at = restored_at()
    if at is None or (due_since or _earliest(notification)) > at:
        return
    doubt(Q(pk__in=list(ids), state=State.PENDING, maybe_sent=False), "planned after a restore", "")


def doubt(condition: Q, note: str, actor: str, limit: int = 1_000) -> int:
    """Doubt up to `limit` deliveries that fit, whatever backup they came from; return how many there were."""
    with transaction.atomic():
        rows = Delivery.objects.lock_some(condition, limit)
        now = Delivery.objects.database_now()
        wait = timedelta(seconds=conf.UNCERTAIN_WAIT_SECONDS)
        changes = []
        for row in rows:
            provider = row.provider or _only_provider(row.channel)
            # The earliest moment at which the provider can have seen its key is that of the request.
            key = gate.key(provider, time_of(row.pk)) if provider else None
            before = standing_of(row)
            after = restored(before, now, wait, provider, key)
            changes.append(Change(row.pk, before, after, keep=True, note=note, actor=actor))
        record(changes)
    return len(rows)


def _earliest(notification: Notification) -> datetime:
    asked = time_of(notification.pk)
    return max(asked, notification.send_at) if notification.send_at else asked


def _only_provider(channel: str) -> str:
    """Return the provider of a channel that has no other."""
    route = {entry.provider for entry in conf.get().routes.get(Channel(channel), ())}
    return route.pop() if len(route) == 1 else ""
