"""Apart: plan a page that fails as a whole in ever smaller parts, so that only those at fault are left out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import transaction

from ..models import Broadcast, Delivery, NewDelivery
from ..models.console_queries import TooSlow
from ..models.deadlines import is_away
from ..rules.identity import UserKey
from ..rules.isolation import is_shared, most_left_out
from .audience_pages import next_keys
from .pages import Row, Sending, plan_rows, rows_of

_NEIGHBOURS = 5
#: What is planned: rows that are written, or deliveries that are only foreseen.
Made = TypeVar("Made", NewDelivery, Delivery)


@dataclass
class Parts(Generic[Made]):
    """What came of a page that was planned in parts: the deliveries, and by key what kind of error others had."""

    keys: Sequence[UserKey]
    cursor: str = ""
    complete: bool = True
    most: int = 0
    written: list[Made] = field(default_factory=list)
    left_out: dict[UserKey, str] = field(default_factory=dict)


def plan_apart(made: Broadcast, sending: Sending, most: int) -> Parts[NewDelivery]:
    """Plan the next page in halves, and halves of those, down to single recipients; call it in a transaction.

    Raises:
        Exception: what fails is nothing of single recipients. Nothing may be kept of the page then.
    """
    page = next_keys(made.audience, made.exclude, made.cursor, most)
    keys = [row["pk"] for row in page.rows]
    parts: Parts[NewDelivery] = Parts(keys, page.cursor, page.complete, most_left_out(len(keys)))
    last = split(made, lambda rows: plan_rows(sending, rows), parts)
    if last is not None and len(parts.left_out) == len(keys):
        fine = _others_are_fine(made, parts, sending)
        if is_shared(len(parts.left_out), len(keys), others_fine=fine):
            raise last
    return parts


def split(
    made: Broadcast, work: Callable[[list[Row]], list[Made]], parts: Parts[Made], *, until: float = math.inf
) -> Exception | None:
    """Work on these members in parts that can be worked on; return the last error that a single one had.

    Reading them is part of the work: an annotation may fail for one row. `until` is by the monotonic clock.

    Raises:
        TooSlow: a part failed when the time was over: it may be for that.
        Exception: more than `parts.most` fail by themselves, or the database is away.
    """
    waiting = [list(parts.keys)] if parts.keys else []
    last = None
    while waiting:
        part = waiting.pop()
        try:
            with transaction.atomic():
                done = work(rows_of(made, part))
        except Exception as error:
            if is_away(error):
                raise
            if time.monotonic() >= until:
                raise TooSlow from error
            if len(part) > 1:
                # The first half is worked on next, so that all goes on in key order.
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            parts.left_out[part[0]] = type(error).__name__[:60]
            last = error
            if len(parts.left_out) > parts.most:
                raise
        else:
            parts.written += done
    return last


def _others_are_fine(made: Broadcast, parts: Parts[NewDelivery], sending: Sending) -> bool:
    """Whether one of the audience's first members, or of those after this page, could be planned; nothing is kept."""
    near = [
        next_keys(made.audience, made.exclude, cursor, len(parts.keys) + _NEIGHBOURS) for cursor in ("", parts.cursor)
    ]
    others = [row["pk"] for page in near for row in page.rows if row["pk"] not in set(parts.keys)][: 2 * _NEIGHBOURS]
    for key in others:
        try:
            with transaction.atomic():
                # Writing may be what fails.
                plan_rows(sending, rows_of(made, [key]))
                transaction.set_rollback(True)
        except Exception as error:
            if is_away(error):
                raise
        else:
            return True
    return False
