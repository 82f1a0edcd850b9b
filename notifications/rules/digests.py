"""What a digest says: how many, the newest by group, and how many more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_SHOWN = 10


@dataclass(frozen=True)
class Item:
    """One gathered notification, newest last: `key` groups ("12 people liked post 7"), empty stands alone."""

    title: str
    text: str
    url: str
    template: str
    key: str = ""


def summary(items: Sequence[Item]) -> dict[str, object]:
    """Return the variables of a digest's template.

    `count` is the number of notifications, `items` the newest groups (each with the words of its newest member and a
    `count` of its own), `more` the number of notifications that are not shown.
    """
    groups: dict[tuple[str, str] | int, list[Item]] = {}
    for number, item in enumerate(items):
        name = (item.template, item.key) if item.key else number
        # A group is as new as its newest member, so each one puts it behind all others.
        groups[name] = groups.pop(name, [])
        groups[name].append(item)
    newest = list(reversed(groups.values()))
    shown = [_shown(members) for members in newest[:MOST_SHOWN]]
    hidden = sum(len(members) for members in newest[MOST_SHOWN:])
    return {"count": len(items), "items": shown, "more": hidden}


def _shown(members: Sequence[Item]) -> dict[str, object]:
    newest = members[-1]
    return {"title": newest.title, "text": newest.text, "url": newest.url, "count": len(members), "key": newest.key}
