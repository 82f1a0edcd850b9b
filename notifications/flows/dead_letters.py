"""Dead letters: what somebody must act on, by cause, so that a whole outage is one line and not ten thousand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

from django.db.models import QuerySet

from ..enums import State
from ..models import Delivery
from ..models.console_queries import DeadGroup, dead_groups

MOST_COUNTED = 10_000
MOST_AT_ONCE = 2_000


@dataclass(frozen=True)
class Cause:
    """What dead letters have in common; the console's group."""

    channel: str
    provider: str
    code: str
    template: str
    why: str

    def values(self) -> dict[str, str]:
        """Return it as the fields of a form or link."""
        return asdict(self)


def groups() -> tuple[list[DeadGroup], bool]:
    """Return dead letters counted by cause, and whether there are more than were counted."""
    found = dead_groups(MOST_COUNTED)
    return found, sum(group.count for group in found) >= MOST_COUNTED


def cause_of(group: DeadGroup) -> Cause:
    """Return what the letters of a group have in common."""
    return Cause(group.channel, group.provider, group.code, group.template, group.reason)


def of_cause(cause: Cause) -> QuerySet[Delivery]:
    """Return the dead letters of one cause, those that died last first."""
    return Delivery.objects.filter(
        state=State.DEAD,
        channel=cause.channel,
        provider=cause.provider,
        error_code=cause.code,
        notification__template=cause.template,
        reason=cause.why,
    ).order_by("-updated_at", "-pk")


def ids_of_cause(cause: Cause) -> list[UUID]:
    """Return as many of one cause as can be acted on at once, oldest first, so that the rest comes next time."""
    return list(of_cause(cause).order_by("updated_at", "pk").values_list("pk", flat=True)[:MOST_AT_ONCE])
