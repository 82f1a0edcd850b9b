"""Quiet hours in the recipient's own zone: whether a moment is quiet, and the first one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LONGEST = timedelta(days=8)  # a week, and what the clocks may add to it


@dataclass(frozen=True)
class Window:
    """A quiet window: it begins at `start` on each of `days` (0 is Monday) and ends before `end`, perhaps next day."""

    days: frozenset[int]
    start: time
    end: time

    @property
    def crosses_midnight(self) -> bool:
        """Whether the window ends on the day after it began."""
        return self.end <= self.start

    def covers(self, local: datetime) -> bool:
        """Whether a wall-clock time is inside the window."""
        clock, day = local.time(), local.weekday()
        if not self.crosses_midnight:
            return day in self.days and self.start <= clock < self.end
        return (day in self.days and clock >= self.start) or ((day - 1) % 7 in self.days and clock < self.end)


def parse_windows(value: Iterable[Mapping[str, object]]) -> tuple[Window, ...]:
    """Return windows from their stored form.

    Raises:
        ValueError: a day or a time is impossible; the text says which.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError("quiet hours must be a list of windows")
    return tuple(_window(item) for item in value)


@lru_cache(maxsize=1_024)  # asked for every recipient, of a few zones
def zone(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its IANA name, or None if there is none of that name."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1_024)  # asked for all of a page at one moment, of whom many have the same quiet hours
def first_allowed(moment: datetime, windows: tuple[Window, ...], where: ZoneInfo) -> datetime:
    """Return `moment` if it is not quiet, else the first minute after it that is not.

    A week that is quiet throughout allows nothing: the moment comes back one week later, to be judged again.
    """
    current = moment
    while current - moment <= _LONGEST:
        local = current.astimezone(where)
        covering = next((window for window in windows if window.covers(local)), None)
        if covering is None:
            return current
        current = _before_a_change(current, _end_of(covering, local, where, current), where)
    return moment + timedelta(days=7)


def first_at(day: date, clock: time, where: ZoneInfo) -> datetime:
    """Return the first instant at which the wall shows a time of a day; if the clocks skip it, when they do."""
    wall = datetime.combine(day, clock, tzinfo=where)
    instant = wall.astimezone(UTC)
    if instant.astimezone(where).replace(tzinfo=None, fold=0) != wall.replace(tzinfo=None, fold=0):
        return _skip(day, clock, where)
    return instant


def _end_of(window: Window, local: datetime, where: ZoneInfo, current: datetime) -> datetime:
    """Return when a window that covers `local` ends: the first instant after `current` that the wall shows as its end.

    A wall time that occurs twice ends the window at its first occurrence still ahead; one that the clocks skip
    is the instant at which they skip it.
    """
    ends_next_day = window.crosses_midnight and local.time() >= window.start
    day = local.date() + timedelta(days=1 if ends_next_day else 0)
    candidates = []
    for fold in (0, 1):
        wall = datetime.combine(day, window.end, tzinfo=where).replace(fold=fold)
        instant = wall.astimezone(UTC)
        if instant.astimezone(where).replace(tzinfo=None, fold=0) != wall.replace(tzinfo=None, fold=0):
            instant = _skip(day, window.end, where)
        candidates.append(instant)
    ahead = [instant for instant in candidates if instant > current]
    return min(ahead) if ahead else current + timedelta(minutes=1)


def _skip(day: date, end: time, where: ZoneInfo) -> datetime:
    """Return the instant at which the clocks jump over the wall time `end` of a day."""
    wall = datetime.combine(day, end)
    low = wall.replace(tzinfo=UTC) - timedelta(hours=26)
    return _first(low, low + timedelta(hours=52), lambda at: at.astimezone(where).replace(tzinfo=None) >= wall)


def _before_a_change(current: datetime, end: datetime, where: ZoneInfo) -> datetime:
    """Return a window's end, or the change of the clocks before it: they may go back to before the window began."""
    offset = current.astimezone(where).utcoffset()
    if end.astimezone(where).utcoffset() == offset:
        return end
    return _first(current, end, lambda at: at.astimezone(where).utcoffset() != offset)


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """Return the first second within 52 hours at which something holds that does not at `low`, and does at `high`."""
    for _ in range(18):  # halved so often, 52 hours are less than a second
        middle = low + (high - low) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high.replace(microsecond=0)


def _window(item: Mapping[str, object]) -> Window:
    days = item.get("days", [0, 1, 2, 3, 4, 5, 6])
    if not isinstance(days, list) or not days or not all(type(day) is int and 0 <= day <= 6 for day in days):
        raise ValueError("days must be a list of numbers from 0 (Monday) to 6 (Sunday)")
    start, end = _clock(item.get("start"), "start"), _clock(item.get("end"), "end")
    if start == end:
        raise ValueError("start and end must differ")
    return Window(frozenset(days), start, end)


def _clock(value: object, name: str) -> time:
    try:
        parsed = time.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f'{name} must be a time such as "22:00"') from error
    if parsed.tzinfo is not None:
        raise ValueError(f"{name} must be a time without a zone; the recipient's own applies")
    return parsed
