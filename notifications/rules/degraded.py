"""Whether a provider that takes messages still delivers them: real outages of SMS accept and never deliver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from ..conf import RouteEntry

#: Minutes of sending that are judged together, once their receipts have had time to come.
WINDOW = 5
#: A window with too few sends reaches back for more, up to this many minutes.
LONGEST_WINDOW = 30
AT_LEAST = 30
USUAL_AT_LEAST = 100
#: Below this, reports are so rare that there is nothing to compare with: are callbacks set up at all?
LEAST_USUAL = 0.2
USUAL_MINUTES = 24 * 60
DROP = 0.5
DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Minute:
    """What was sent in one minute, and how much of it was reported as delivered so far."""

    sent: int = 0
    delivered: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A window's delivered share beside the usual one."""

    degraded: bool
    share: float
    usual: float
    sent: int


def judge(minutes: Mapping[int, Minute], closed: int, since: int) -> Verdict | None:
    """Judge the latest minutes up to `closed`, none of them before `since`; None where there is too little to tell.

    Degraded means less than half of what is usual, and clearly so: further from it than chance would have it.
    """
    start, seen = closed, Minute()
    for minute in range(closed, max(since, closed - LONGEST_WINDOW + 1) - 1, -1):
        if closed - minute >= WINDOW and seen.sent >= AT_LEAST:
            break
        start, seen = minute, _add(seen, minutes.get(minute))
    usual = Minute()
    for minute, counted in minutes.items():
        if closed - USUAL_MINUTES <= minute < start:
            usual = _add(usual, counted)
    if seen.sent < AT_LEAST or usual.sent < USUAL_AT_LEAST:
        return None
    share, expected = seen.delivered / seen.sent, min(1.0, usual.delivered / usual.sent)
    if expected < LEAST_USUAL:
        return None
    chance = DEVIATIONS * sqrt(expected * (1 - expected) / seen.sent)
    return Verdict(share < DROP * expected and share < expected - chance, share, expected, seen.sent)


def another_takes_over(route: Sequence[RouteEntry], alias: str, held: Sequence[str]) -> bool:
    """Whether all that a provider of the route carries could go through another one that is not held."""
    mine = [entry for entry in route if entry.provider == alias]
    others = [entry for entry in route if entry.provider != alias and entry.provider not in held]
    return bool(mine) and all(any(_covers(other, entry) for other in others) for entry in mine)


def _covers(other: RouteEntry, entry: RouteEntry) -> bool:
    countries = not other.countries or (bool(entry.countries) and set(entry.countries) <= set(other.countries))
    platforms = not other.platforms or (bool(entry.platforms) and set(entry.platforms) <= set(other.platforms))
    return countries and platforms


def _add(one: Minute, other: Minute | None) -> Minute:
    return Minute(one.sent + other.sent, one.delivered + other.delivered) if other else one
