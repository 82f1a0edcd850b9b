"""What a digest says: how many, the newest by group, and how many more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_SHOWN = 10

Id = TypeVar("Id")


@dataclass(frozen=True)
class Item(Generic[Id]):
    """One gathered notification: `key` groups ("12 people liked post 7"), empty stands alone."""

    id: Id
    template: str
    key: str = ""


@dataclass(frozen=True)
class Line:
    """The words of one notification, shortened to what a digest shows of it."""

    title: str = ""
    text: str = ""
    url: str = ""


def summary(items: Sequence[Item[Id]], lines_of: Callable[[Sequence[Id]], Mapping[Id, Line]]) -> dict[str, object]:
    """Return the variables of a digest's template, made of its items, the newest last.

    `count` is the number of notifications, `items` the newest groups (each with the words of its newest member and a
    `count` of its own), `more` the number of notifications that are not shown. `lines_of` is asked once, for
    those shown only: words cost far more than counting.
    """
    groups: dict[tuple[str, str] | int, list[Item[Id]]] = {}
    for number, item in enumerate(items):
        name = (item.template, item.key) if item.key else number
        # A group is as new as its newest member, so each one puts it behind all others.
        groups[name] = groups.pop(name, [])
        groups[name].append(item)
    newest = list(reversed(groups.values()))
    lines = lines_of([members[-1].id for members in newest[:MOST_SHOWN]])
    shown = [_shown(members, lines[members[-1].id]) for members in newest[:MOST_SHOWN]]
    hidden = sum(len(members) for members in newest[MOST_SHOWN:])
    return {"count": len(items), "items": shown, "more": hidden}


def _shown(members: Sequence[Item[Id]], line: Line) -> dict[str, object]:
    return {
        "title": line.title,
        "text": line.text,
        "url": line.url,
        "count": len(members),
        "key": members[-1].key,
    }
