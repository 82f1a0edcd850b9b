"""Left out: the members of a broadcast who could not be planned while others could; who they are, and another try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from .. import conf
from ..enums import BroadcastStatus, State
from ..exceptions import WrongStatus
from ..models import Broadcast, Category, Delivery, LeftOut, NewDelivery, Notification
from ..rules.identity import UserKey, user_key, user_recipient
from ..rules.ramp import next_page
from ..wakeups import wake_on_commit
from .alerts import raise_alert
from .apart import Parts, split
from .audience_pages import members_among
from .pages import Row, Sending, plan_rows

PLANNED = (
    BroadcastStatus.PLANNING,
    BroadcastStatus.SENDING,
    BroadcastStatus.PAUSED,
    BroadcastStatus.STOPPED,
    BroadcastStatus.DONE,
)
#: With a rate, as many are tried again at a time as go out meanwhile: each second of it is planned by itself.
_SECONDS_AHEAD = 60


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
        rows = list(made.left_out.order_by("at", "pk")[: _most_at_once(made)])
        notification = Notification.objects.get(pk=made.notification_id)
        category = Category.objects.get(slug=notification.category)
        sending = Sending(notification, category, Delivery.objects.database_now())
        field = get_user_model()._meta.pk
        keys = [field.to_python(user_key(row.recipient)) for row in rows]
        parts: Parts[NewDelivery] = Parts(members_among(made.audience, made.exclude, keys), most=len(keys))
        turns = _Turns(made, sending)
        split(made, turns.plan, parts)
        turns.keep()
        still = {user_recipient(key): error for key, error in parts.left_out.items()}
        _settle(made, rows, still, parts)
        return Again(len(set(parts.keys)) - len(still), len(still), len(rows) - len(set(parts.keys)))


def _most_at_once(made: Broadcast) -> int:
    return min(conf.PAGE_SIZE, made.per_second * _SECONDS_AHEAD) if made.per_second else conf.PAGE_SIZE


class _Turns:
    """Plans members at their broadcast's rate, a second's worth after the other; at once where there is no rate."""

    def __init__(self, made: Broadcast, sending: Sending) -> None:
        self._made, self._sending, self._planned = made, sending, 0
        # What planning would make of the next page; what comes after this follows in its turn.
        self._after = next_page(made.members, conf.PAGE_SIZE, made.per_second, made.ramp_minutes).due_after
        self._start = max(sending.now, (made.paced_from or sending.now) + self._after)

    def plan(self, found: list[Row]) -> list[NewDelivery]:
        """Plan these members behind those before them."""
        if not self._made.per_second:
            return plan_rows(self._sending, found)
        written: list[NewDelivery] = []
        for number in range(0, len(found), self._made.per_second):
            self._sending.notification.send_at = self._due(self._planned + number)
            written += plan_rows(self._sending, found[number : number + self._made.per_second])
        self._planned += len(found)
        return written

    def keep(self) -> None:
        """Move what the rate counts from, so that whoever is planned next comes behind these."""
        if self._planned:
            self._made.paced_from = self._due(self._planned) - self._after

    def _due(self, number: int) -> datetime:
        return self._start + timedelta(seconds=number / (self._made.per_second or 1))


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
