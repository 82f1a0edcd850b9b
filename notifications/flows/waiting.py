"""Waiting: what has not been sent yet, by channel, reason and age, for those who want to clear some of it away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from ..enums import Channel, Lane, Reason, State
from ..models import Broadcast, Delivery, Notification
from ..rules.identity import bounds_of, first_id_at
from ..rules.standing import storable
from .filters import MOST_AT_ONCE, BadFilter, read_channel, read_fields, read_id

REASONS = (
    Reason.NEW,
    Reason.RETRY,
    Reason.QUIET_HOURS,
    Reason.SCHEDULED,
    Reason.THROTTLED,
    Reason.BREAKER_OPEN,
    Reason.PACED,
    Reason.PAUSED,
)
_LONGEST_MINUTES = 60 * 24 * 365


@dataclass(frozen=True)
class WaitingFilter:
    """Which of what waits on a channel; None stands for any. `older_than` is in minutes."""

    channel: Channel
    waits_for: Reason | None = None
    lane: Lane | None = None
    template: str | None = None
    about: UUID | None = None
    older_than: int | None = None

    def values(self) -> dict[str, str]:
        """Return it as the fields of a form, or for the audit; `waiting_from` reads it back."""
        found = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value.name.lower() if isinstance(value, Lane) else str(value) for name, value in found.items()}


NAMES = tuple(WaitingFilter.__dataclass_fields__)


@dataclass(frozen=True)
class Chosen:
    """What somebody chose: what waited by `until` and fits the filter, so that nothing newer is ever touched."""

    filter: WaitingFilter
    until: datetime

    def rows(self) -> QuerySet[Delivery]:
        """Return its deliveries in the order of the index on what is due."""
        wanted = self.filter
        before = self.until - timedelta(minutes=wanted.older_than or 0)
        found = Delivery.objects.filter(
            channel=wanted.channel,
            lane__in=[wanted.lane] if wanted.lane is not None else list(Lane),
            state=State.PENDING,
            # An id keeps the time at which its notification was asked for; what is planned later may keep an older one.
            pk__lt=first_id_at(before),
        )
        if wanted.waits_for is not None:
            found = found.filter(reason=wanted.waits_for)
        if wanted.template is not None:
            found = found.filter(notification__template=wanted.template)
        if wanted.about is not None:
            found = found.filter(_about(wanted.about))
        return found.order_by("lane", "due_at", "pk")

    def after(self, lane: int, due: datetime, key: UUID) -> QuerySet[Delivery]:
        """Return those behind a certain one."""
        behind = Q(lane__gt=lane) | Q(lane=lane, due_at__gt=due) | Q(lane=lane, due_at=due, pk__gt=key)
        return self.rows().filter(behind, lane__gte=lane)

    def count(self, most: int = MOST_AT_ONCE) -> int:
        """Return how many there are, counted no further than `most`."""
        return self.rows().order_by()[:most].count()


@dataclass(frozen=True)
class WouldClear:
    """What a dry run found: how many, and of the first of them why they wait, of which templates they are."""

    count: int
    looked_at: int
    by_reason: Mapping[str, int]
    by_template: Mapping[str, int]
    maybe_sent: int


_LOOKED_AT = 2_000


def try_out(chosen: Chosen) -> WouldClear:
    """Return what a run would act on; nothing is locked, nothing is written."""
    first = list(chosen.rows().values_list("reason", "notification_id", "maybe_sent")[:_LOOKED_AT])
    count = len(first) if len(first) < _LOOKED_AT else chosen.count()
    named = dict(Notification.objects.filter(pk__in={row[1] for row in first}).values_list("pk", "template"))
    return WouldClear(
        count,
        len(first),
        Counter(row[0] for row in first),
        Counter(named.get(row[1], "") for row in first),
        sum(row[2] for row in first),
    )


def waiting_from(values: Mapping[str, str]) -> WaitingFilter:
    """Return the filter that these fields ask for.

    Raises:
        BadFilter: no channel is named, or something can be no reason, lane, template, id or number of minutes.
    """
    given = {name: text for name in NAMES if (text := values.get(name, "").strip())}
    found, errors = read_fields(given, _read)
    if "channel" not in given:
        errors["channel"] = "choose one"
    if errors:
        raise BadFilter(errors)
    return WaitingFilter(**found)  # type: ignore[arg-type]


def _read(name: str, text: str) -> object:
    if storable(text, 63) != text:
        raise ValueError("is too long, or contains a character that it cannot have")
    if name == "channel":
        return read_channel(text)
    if name == "waits_for":
        if text not in REASONS:
            raise ValueError(f"is nothing that messages wait for; one of {', '.join(REASONS)}")
        return Reason(text)
    if name == "lane":
        if text.upper() not in Lane.__members__:
            raise ValueError(f"is no lane; one of {', '.join(lane.name.lower() for lane in Lane)}")
        return Lane[text.upper()]
    if name == "about":
        return read_id(text)
    return _minutes(text) if name == "older_than" else text


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and int(text) <= _LONGEST_MINUTES):
        raise ValueError("is no number of minutes")
    return int(text)


def _about(key: UUID) -> Q:
    """Return what belongs to a notification or broadcast; bounds on the key let PostgreSQL read one partition."""
    keys = [key, *Broadcast.objects.filter(pk=key).values_list("notification_id", flat=True)]
    first, beyond = bounds_of(keys)
    return Q(notification_id__in=keys, pk__gte=first, pk__lt=beyond)
