"""Record: the only writer of delivery state. What it moves is tallied in the same statement (see `models.tally`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from ..enums import State
from ..models import Delivery, DeliveryEvent, NewDelivery
from ..rules.standing import Change
from ..rules.transitions import ALLOWED
from ..signals import delivery_changed
from .alerts import raise_alert
from .reopen import reopen

logger = logging.getLogger("notifications.record")
_BATCH = 1_000
#: Final, and yet they may wait again: a report says that it failed, or a person replays it.
_SENT_ANEW = (State.SENT, State.DEAD)


def record(changes: Iterable[Change]) -> set[UUID]:
    """Write changes in batches, each only where its delivery still stands as it was read; return the ids written.

    A change that came too late is not written; it stays in the delivery's history if it asked to be kept.
    """
    wanted, changes = list(changes), []
    for change in wanted:
        if change.after.state in ALLOWED[change.before.state]:
            changes.append(change)
        else:
            # A defect of ours; it must not take its neighbours along.
            text = f"{change.before.state} may not become {change.after.state}"
            raise_alert("illegal_transition", text, f"delivery {change.delivery_id}")
    written: set[UUID] = set()
    for start in range(0, len(changes), _BATCH):
        written |= _write(changes[start : start + _BATCH])
    return written


def insert(deliveries: Sequence[NewDelivery]) -> None:
    """Write newly planned deliveries.

    One that exists already (same notification and device) is left alone, counted nowhere and announced to nobody.
    """
    listened = delivery_changed.has_listeners()
    inserted = Delivery.objects.insert_planned(deliveries, tell=listened)
    if listened:
        _announce([(key, row.state, row.reason) for row in deliveries if (key := UUID(row.id)) in inserted])


def _write(changes: Sequence[Change]) -> set[UUID]:
    if not changes:
        return set()
    with transaction.atomic(savepoint=False):
        written = Delivery.objects.apply(changes)
        now = Delivery.objects.database_now() if any(change.keep for change in changes) else None
        if now is not None:
            DeliveryEvent.objects.bulk_create(
                [_event(change, late=change.delivery_id not in written, at=now) for change in changes if change.keep]
            )
        done = [change for change in changes if change.delivery_id in written]
        _announce([(change.delivery_id, change.after.state, change.after.reason) for change in done])
        _go_on_with(done)
    return written


def _go_on_with(written: Sequence[Change]) -> None:
    """Let broadcasts go on whose deliveries were final and are sent anew."""
    was = {c.delivery_id: c.before.state for c in written if c.before.state in _SENT_ANEW}
    again = [c.delivery_id for c in written if c.delivery_id in was and c.after.state == State.PENDING]
    if not again:
        return
    found = dict(Delivery.objects.filter(pk__in=again).values_list("pk", "notification_id"))
    reopen(set(found.values()), looked_at={found[key] for key in again if was[key] == State.DEAD})


def _event(change: Change, *, late: bool, at: datetime) -> DeliveryEvent:
    after = change.after
    detail = change.note or after.error_detail
    return DeliveryEvent(
        delivery_id=change.delivery_id,
        at=at,
        attempt=after.attempt,
        state=after.state,
        reason=after.reason,
        provider=after.provider,
        code=after.error_code,
        detail=f"came too late, only kept: {detail}".strip(": ") if late else detail,
        actor=change.actor,
    )


def _announce(changed: Sequence[tuple[UUID, str, str]]) -> None:
    if delivery_changed.has_listeners():
        transaction.on_commit(partial(_send_signals, changed), robust=True)


def _send_signals(changed: Sequence[tuple[UUID, str, str]]) -> None:
    for delivery_id, state, reason in changed:
        delivery_changed.send_robust(Delivery, delivery_id=delivery_id, state=state, reason=reason)
