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
        groups.setdefault((item.template, item.key) if item.key else number, []).append(item)
    # A group is as new as its newest member.
    newest = sorted(groups.values(), key=lambda members: items.index(members[-1]), reverse=True)
    shown = [_shown(members) for members in newest[:MOST_SHOWN]]
    hidden = sum(len(members) for members in newest[MOST_SHOWN:])
    return {"count": len(items), "items": shown, "more": hidden}


def _shown(members: Sequence[Item]) -> dict[str, object]:
    newest = members[-1]
    return {"title": newest.title, "text": newest.text, "url": newest.url, "count": len(members), "key": newest.key}
