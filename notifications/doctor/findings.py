"""What the doctor finds: an id, what is so, the cure, and where to read on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

#: Every id of the doctor's own is a heading there, in docs/; the checks' ids are rows of docs/settings.md.
PAGE = "docs/doctor.md"
CHECKS_PAGE = "docs/settings.md#checks"


class Level(Enum):
    """How bad it is; the value is what is printed."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor looked at. What is fine has no id and no cure."""

    level: Level
    subject: str
    what: str
    id: str = ""
    cure: str = ""
    link: str = ""


Examination: TypeAlias = Callable[[], Iterable[Finding]]


def fine(subject: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, subject, what)


def note(subject: str, what: str) -> Finding:
    """Return something that is good to know and need not be cured."""
    return Finding(Level.NOTE, subject, what)


def error(number: int, subject: str, what: str, cure: str) -> Finding:
    """Return what keeps messages from being sent or reported."""
    return _found(Level.ERROR, number, subject, what, cure)


def warning(number: int, subject: str, what: str, cure: str) -> Finding:
    """Return what may be meant, and mostly is not."""
    return _found(Level.WARNING, number, subject, what, cure)


def _found(level: Level, number: int, subject: str, what: str, cure: str) -> Finding:
    identity = f"carillon.D{number:03d}"
    return Finding(level, subject, what, identity, cure, f"{PAGE}#carillond{number:03d}")
