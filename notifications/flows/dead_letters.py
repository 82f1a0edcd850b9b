"""Dead letters: what somebody must act on, by cause or filter, so that a whole outage is one line and not ten thousand.

A cause is a filter like any other: what the console counts, shows, tries in a dry run and acts on is found in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.lookups import Exact
from django.utils.dateparse import parse_datetime

from ..enums import Reason, State
from ..models import Broadcast, Delivery, Notification
from ..models.console_queries import DeadGroup, dead_groups
from ..rules.dead_letters import HINTS
from ..rules.standing import storable
from .filters import MOST_AT_ONCE, BadFilter, read_channel, read_fields, read_id

MOST_COUNTED = 10_000
MOST_SELECTED = 2_000
NONE = "-"
# A look-up for each letter that is read: a join may read all notifications for it.
_TEMPLATE = Subquery(Notification.objects.filter(pk=OuterRef("notification_id")).values("template")[:1])
_LONGEST = {"provider": 63, "code": 60, "code_begins": 60, "template": 63}


@dataclass(frozen=True)
class LetterFilter:
    """Which dead letters: None stands for any, empty text for none (a letter without a provider or code)."""

    channel: str | None = None
    provider: str | None = None
    code: str | None = None
    code_begins: str | None = None
    template: str | None = None
    why: str | None = None
    about: UUID | None = None
    died_from: datetime | None = None
    died_before: datetime | None = None

    def values(self) -> dict[str, str]:
        """Return it as the fields of a form, a link or the audit; `filter_from` reads it back."""
        return {name: _written(value) for name, value in asdict(self).items() if value is not None}

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return any(value is not None for value in asdict(self).values())

    def condition(self) -> Q:
        """Return it as a condition on deliveries."""
        found = Q(state=State.DEAD)
        exact = {
            "channel": self.channel,
            "provider": self.provider,
            "error_code": self.code,
            "error_code__startswith": self.code_begins,
            "reason": self.why,
            "updated_at__gte": self.died_from,
            "updated_at__lt": self.died_before,
        }
        for name, value in exact.items():
            if value is not None:
                found &= Q(**{name: value})
        if self.template is not None:
            found &= Q(Exact(_TEMPLATE, self.template))
        if self.about is not None:
            launched = Broadcast.objects.filter(pk=self.about).values_list("notification_id", flat=True)
            found &= Q(notification_id__in=[self.about, *launched])
        return found


NAMES = tuple(LetterFilter.__dataclass_fields__)


def filter_from(values: Mapping[str, str]) -> LetterFilter:
    """Return the filter that these fields ask for; an empty one asks for nothing, "-" for letters that have none.

    Raises:
        BadFilter: something in it can be no channel, reason, id or time.
    """
    given = {name: text for name in NAMES if (text := values.get(name, ""))}
    found, errors = read_fields(given, _read)
    made = LetterFilter(**found)  # type: ignore[arg-type]
    if made.died_from and made.died_before and made.died_from >= made.died_before:
        errors["died_before"] = "must be later than the time to begin with"
    if errors:
        raise BadFilter(errors)
    return made


@dataclass(frozen=True)
class Choice:
    """What somebody chose to act on: letters by id, a filter, or `everything`; only what had died by `until`.

    A letter that was sent again and died anew is not in it, so acting on the same choice twice sends nothing twice.
    """

    until: datetime
    filter: LetterFilter = field(default_factory=LetterFilter)
    ids: tuple[UUID, ...] = ()
    everything: bool = False

    def letters(self) -> QuerySet[Delivery]:
        """Return its letters, those that died first in front."""
        found = Delivery.objects.filter(self.filter.condition(), updated_at__lte=self.until)
        if self.ids or not (self.filter or self.everything):
            found = found.filter(pk__in=self.ids)
        return found.order_by("updated_at", "pk")

    def after(self, died: datetime, key: UUID) -> QuerySet[Delivery]:
        """Return those behind a certain letter."""
        behind = Q(updated_at__gt=died) | Q(updated_at=died, pk__gt=key)
        return self.letters().filter(behind, updated_at__gte=died)

    def count(self, most: int = MOST_AT_ONCE) -> int:
        """Return how many there are, counted no further than `most`."""
        return self.letters().order_by()[:most].count()


def groups(limit: int = MOST_COUNTED) -> tuple[list[DeadGroup], bool]:
    """Return dead letters counted by cause, and whether there are more than were counted."""
    found = dead_groups(limit)
    return found, sum(group.count for group in found) >= limit


def cause_of(group: DeadGroup) -> LetterFilter:
    """Return what the letters of a group have in common."""
    return LetterFilter(
        channel=group.channel, provider=group.provider, code=group.code, template=group.template, why=group.reason
    )


def newest(wanted: LetterFilter, limit: int, before: tuple[datetime, UUID] | None, *along: Prefetch) -> list[Delivery]:  # type: ignore[type-arg]
    """Return a page of the letters of a filter, those that died last in front; `before` is where the last one ended."""
    found = Delivery.objects.filter(wanted.condition()).order_by("-updated_at", "-pk").prefetch_related(*along)
    if before is not None:
        died, key = before
        found = found.filter(Q(updated_at__lt=died) | Q(updated_at=died, pk__lt=key), updated_at__lte=died)
    return list(found[:limit])


def _written(value: str | UUID | datetime) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    # "-" stands for none, so whatever consists of nothing else gets one more.
    return text if text.strip(NONE) else f"{NONE}{text}"


def _read(name: str, text: str) -> str | UUID | datetime:
    if storable(text, len(text)) != text:
        raise ValueError("contains a character that no letter can have")
    if name == "about":
        return read_id(text)
    if name in ("died_from", "died_before"):
        return _time(text)
    text = text if text.strip(NONE) else text[1:]
    if name == "channel":
        return read_channel(text)
    if name == "why" and (text not in Reason.values or Reason(text) not in HINTS):
        raise ValueError(f"is nothing that letters die of; one of {', '.join(HINTS)}")
    if len(text) > _LONGEST.get(name, len(text)):
        raise ValueError(f"is longer than {_LONGEST[name]} characters")
    return text


def _time(text: str) -> datetime:
    wrong = "is no time; write it in UTC as 2026-11-22T19:30"
    try:
        found = parse_datetime(text)
    except ValueError:
        raise ValueError(wrong) from None
    if found is None:
        raise ValueError(wrong)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(wrong) from None
