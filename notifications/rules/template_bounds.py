"""What rendering may cost: steps, work within a step, and letters.

Every value that words touch is weighed, and what it weighs is paid for again each time it is touched. So whatever lists
and texts are made of each other, none grows beyond what a message may be, and no step takes long on what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.template import Context
from django.template.base import Node

LARGEST = 256 * 1024
MOST_NODES = 10_000
#: Work is counted in items of a list that are looked at: a filter is worth ten, and two letters that it reads are one.
MOST_WORK = 250_000
_OF_A_FILTER = 10
_LETTERS = 2
_LETTERS_UNREAD = 1_024
_COLLECTIONS = (list, tuple, dict, Mapping)


class RenderError(Exception):
    """The words could not be rendered; the text names the part and the variable, never a value."""


class TooMuch(RenderError):
    """Rendering took more work or grew larger than any message may."""


class BoundedContext(Context):
    """A context that counts what rendering costs."""

    nodes = 0
    size = 0
    work = 0

    def spend(self, node: Node) -> str:
        """Render one node within the bounds.

        Raises:
            RenderError: too many nodes were rendered, or the text grew beyond 256 KiB.
        """
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise TooMuch(f"needs more than {MOST_NODES} steps to render")
        before = self.size
        text = cast("str", type(node).render_annotated(node, self))
        # What its children added is part of `text`: it counts once.
        self.size = max(self.size, before + len(text))
        if self.size > LARGEST:
            raise TooMuch(f"is larger than {LARGEST // 1024} KiB when rendered")
        kept = getattr(node, "asvar", None)
        # Asked in any case: a condition swallows what is raised in it.
        self.charge(len(self[kept]) // _LETTERS if kept else 0)
        return text

    def charge(self, work: int) -> None:
        """Pay for work.

        Raises:
            TooMuch: it is more than any message may take.
        """
        self.work += work
        if self.work > MOST_WORK:
            raise TooMuch("takes too many steps to render: its lists or texts are gone through too often")

    def charge_filter(self, value: object, weight: int, arguments: list[object]) -> None:
        """Pay for a filter; with a list it may go through an argument for each item."""
        letters = 0
        for given in arguments:
            if isinstance(given, str):
                letters += len(given)
        self.charge(_OF_A_FILTER + weight + letters)
        if isinstance(value, _COLLECTIONS):
            self.charge(weight * letters // 16)

    def weigh(self, value: object, name: object) -> int:
        """Return what it costs to go through a value, having paid for the look at it.

        Raises:
            TooMuch: it is larger than any message may be, or was looked at too often.
        """
        items, letters = 0, 0
        if isinstance(value, str):
            letters = len(value)
        elif isinstance(value, _COLLECTIONS):
            self.charge(0)  # once it is all spent, nothing is gone through any more
            items, letters = _measured(value)
        self.charge(1 + items + letters // _LETTERS_UNREAD)
        if items + letters > LARGEST:
            raise TooMuch(f"{name} grows beyond {LARGEST // 1024} KiB")
        return items + letters // _LETTERS


def _measured(value: object) -> tuple[int, int]:
    """Return how many items are anywhere inside, and their letters; what is in two places is counted twice."""
    items, letters, rest = 0, 0, [value]
    while rest and items + letters <= LARGEST:
        inner: Any = rest.pop()
        if isinstance(inner, Mapping):
            inner = [*inner, *inner.values()]
        items += len(inner)
        for item in inner:
            if isinstance(item, str):
                letters += len(item)
            elif isinstance(item, int):
                letters += item.bit_length() // 4
            elif isinstance(item, _COLLECTIONS):
                rest.append(item)
    return items, letters
