"""Time box: a repair gives way to the next one after a while, however much it has to do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TypeVar

from .. import conf

T = TypeVar("T")


def in_time(items: Iterable[T]) -> Iterator[T]:
    """Yield one item after the other for as long as one repair may take; at least one, so that each round gets on."""
    until = time.monotonic() + conf.REPAIR_SECONDS
    for item in items:
        yield item
        if time.monotonic() >= until:
            return


def turns() -> Iterator[None]:
    """Yield for as long as one repair may take: for those that find what is due turn by turn."""
    return in_time(repeat(None))
