"""Left out: the members of a broadcast who could not be planned while others could; who they are, and another try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from ..enums import BroadcastStatus, State
from ..exceptions import WrongStatus
from ..models import Broadcast, Category, Delivery, LeftOut, NewDelivery, Notification
from ..rules.identity import UserKey, user_key, user_recipient
from ..wakeups import wake_on_commit
from .alerts import raise_alert
from .apart import Parts, split
from .audience_pages import members_among
from .pages import Row, Sending, plan_rows
from .slots import is_paced, most_at_once, next_slots

PLANNED = (
    BroadcastStatus.PLANNING,
    BroadcastStatus.SENDING,
    BroadcastStatus.PAUSED,
    BroadcastStatus.STOPPED,
    BroadcastStatus.DONE,
)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Again:
    """What another try led to: how many are planned now, how many still cannot be, and how many are members no more."""

    planned: int = 0
    left_out: int = 0
    gone: int = 0


def keep_left_out(made: Broadcast, found: Mapping[UserKey, str]) -> None:
    """Note who is left out of a broadcast whose row is locked and saved by the caller, with one alert."""
    if not found:
        return
    LeftOut.objects.bulk_create(
        [LeftOut(broadcast=made, recipient=user_recipient(key), error=error) for key, error in found.items()],
        ignore_conflicts=True,
    )
    made.problems += len(found)
    kinds = ", ".join(f"{count} × {error}" for error, count in Counter(found.values()).most_common())
    told = f"{made.problems} could not be planned and are left out so far; the latest: {kinds}"
    raise_alert("broadcast_left_out", str(made.pk), told)


def errors_of(made: Broadcast) -> dict[str, int]:
    """Return how many were left out of a broadcast, by kind of error, the most frequent first."""
    if not made.problems:
        return {}
    counted = made.left_out.order_by().values("error").annotate(count=Count("pk")).order_by("-count", "error")
    return {row["error"]: row["count"] for row in counted}


def plan_left_out(broadcast_id: UUID) -> Again:
    """Plan those who were left out once more, a page of them at most; each is told apart from the others.

    Those tried longest ago come first, so that each call reaches others. A rate holds: they are due behind all that
    is planned, and are no more than go out in a minute.

    Raises:
        WrongStatus: it was never planned, is cancelled, or past its retention.
    """
    with transaction.atomic():
        made = Broadcast.objects.select_for_update().get(pk=broadcast_id)
        if made.status not in PLANNED or made.outcome is not None:
            what = "past its retention" if made.outcome is not None else made.status
            raise WrongStatus(f"Of a broadcast that is {what}, nobody can be planned again.")
        rows = list(made.left_out.order_by("at", "pk")[: most_at_once(made)])
        notification = Notification.objects.get(pk=made.notification_id)
        category = Category.objects.get(slug=notification.category)
        sending = Sending(notification, category, Delivery.objects.database_now())
        field = get_user_model()._meta.pk
        keys = [field.to_python(user_key(row.recipient)) for row in rows]
        parts: Parts[NewDelivery] = Parts(members_among(made.audience, made.exclude, keys), most=len(keys))
        split(made, lambda found: _plan_in_turn(made, sending, found), parts)
        still = {user_recipient(key): error for key, error in parts.left_out.items()}
        _settle(made, rows, still, parts)
        return Again(len(set(parts.keys)) - len(still), len(still), len(rows) - len(set(parts.keys)))


def _plan_in_turn(made: Broadcast, sending: Sending, found: list[Row]) -> list[NewDelivery]:
    """Plan members behind all that have a slot, each second's worth by itself; at once where there is no rate."""
    if not is_paced(made):
        return plan_rows(sending, found)
    written: list[NewDelivery] = []
    begun = made.paced_from
    try:
        slots = next_slots(made, len(found), sending.now)
        by_second = groupby(zip(slots, found, strict=True), lambda pair: (pair[0] - slots[0]) // _SECOND)
        for _, pairs in by_second:
            due, members = zip(*pairs, strict=True)
            sending.notification.send_at = due[0]
            written += plan_rows(sending, list(members))
    except Exception:
        # Of a part in which one fails nothing is kept, and its slots are free again.
        made.paced_from = begun
        raise
    return written


def _settle(made: Broadcast, rows: list[LeftOut], still: Mapping[str, str], parts: Parts[NewDelivery]) -> None:
    made.left_out.filter(pk__in=[row.pk for row in rows if row.recipient not in still]).delete()
    failed = [row for row in rows if row.recipient in still]
    now = timezone.now()
    for row in failed:
        row.error, row.at = still[row.recipient], now
    LeftOut.objects.bulk_update(failed, ["error", "at"])
    made.problems = made.left_out.count()
    made.planned += len(parts.written)
    if made.status == BroadcastStatus.DONE and any(State(row.state).is_open for row in parts.written):
        made.status, made.finished_at = BroadcastStatus.SENDING, None
    made.save(update_fields=["problems", "planned", "status", "finished_at", "paced_from"])
    wake_on_commit(row.channel for row in parts.written if row.state == State.PENDING)
