"""What a case of the table is, and the words in which cases are written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, time

from notifications.rules.quiet_hours import Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Case:
    """One decision: `answer` asks the rule and puts what it says into words, which must be those of `outcome`."""

    rule: str
    boundary: str
    outcome: str
    given: tuple[object, ...]
    answer: Callable[..., str]

    def __str__(self) -> str:
        return f"{self.rule}: {self.boundary}: {self.outcome}"


def table(rule: str, answer: Callable[..., str], rows: Iterable[tuple[object, ...]]) -> list[Case]:
    """Return a rule's cases; a row is its boundary, what is given, and the outcome last."""
    return [Case(rule, str(row[0]), str(row[-1]), tuple(row[1:-1]), answer) for row in rows]


def at(text: str) -> datetime:
    """Return a moment written as people would read it there: wall time and offset."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, f"{text} needs its offset"
    return moment


def windows(text: str) -> tuple[Window, ...]:
    """Return quiet windows written as "22:00-07:00 Mon,Tue; 12:00-14:00"; without days on all of them."""
    return tuple(_window(part) for part in text.split(";") if part.strip())


def _window(text: str) -> Window:
    clocks, _, days = text.strip().partition(" ")
    start, end = (time.fromisoformat(clock) for clock in clocks.split("-"))
    return Window(frozenset(DAYS.index(day) for day in days.split(",")) if days else frozenset(range(7)), start, end)
