"""Census: how many devices are written to and why the others are not, and how many addresses are suppressed.

None of it needs a deadline: each statement reads so many pages, or so many rows of an index, and no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.utils import timezone

from .. import conf
from ..enums import DeactivatedReason
from ..models.census_queries import Pruning, device_kinds, newest_prunings, suppression_kinds

#: After how many days without a sign of life a device is called stale where the settings do not say it.
USUAL_STALE_DAYS = 270
_RECENT = timedelta(days=7)
_MOST_RECENT = 10_000
#: Why devices are switched off without their user's doing, so that it can be undone.
PRUNED_FOR = (
    DeactivatedReason.UNREGISTERED,
    DeactivatedReason.QUARANTINED,
    DeactivatedReason.UNREACHABLE,
    DeactivatedReason.STALE,
    DeactivatedReason.PRUNED,
)


@dataclass(frozen=True)
class Standing:
    """Devices of one channel and platform: written to, unseen among those, and switched off for what."""

    channel: str
    platform: str
    active: int = 0
    unseen: int = 0
    quarantined: int = 0
    invalid: int = 0
    stale: int = 0
    others: int = 0


@dataclass(frozen=True)
class Census:
    """What there is; what is not `exact` was reckoned from a sample."""

    rows: list[Standing]
    exact: bool = True


def stale_days() -> int:
    """Return after how many days an unseen push device is stale."""
    return conf.get().stale_devices_days or USUAL_STALE_DAYS


def devices() -> Census:
    """Return how devices stand, by channel and platform."""
    kinds, exact = device_kinds(timezone.now() - timedelta(days=stale_days()))
    found: dict[tuple[str, str], Standing] = {}
    for kind in kinds:
        place = (kind.channel, kind.platform)
        held = found.get(place, Standing(*place))
        if kind.is_active:
            found[place] = replace(held, active=held.active + kind.count, unseen=held.unseen + kind.unseen)
        else:
            name = _COLUMNS.get(kind.reason, "others")
            found[place] = replace(held, **{name: getattr(held, name) + kind.count})
    return Census([found[place] for place in sorted(found)], exact)


def suppressions() -> tuple[Mapping[str, Mapping[str, int]], bool]:
    """Return how many suppressions are in force by cause and channel, and whether they were all counted."""
    kinds, exact = suppression_kinds()
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for channel, cause, count in kinds:
        found[cause][channel] = count
    return found, exact


def recent_prunings() -> list[Pruning]:
    """Return what was switched off within a week without its users' doing, by reason, provider and hour."""
    return newest_prunings(timezone.now() - _RECENT, [item.value for item in PRUNED_FOR], _MOST_RECENT)


_COLUMNS: Mapping[str, str] = {
    DeactivatedReason.QUARANTINED: "quarantined",
    DeactivatedReason.UNREGISTERED: "invalid",
    DeactivatedReason.UNREACHABLE: "invalid",
    DeactivatedReason.STALE: "stale",
}
