"""Sharing: none starves another of the same lane, be it a broadcast, a client of the API, or all campaigns together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Protocol, TypeVar
from uuid import UUID

#: Due rows are counted no further than this many times the limit: then others have filled the channel by themselves.
FULL = 2


def room_for(own: int | None, due: int, sharing: int, limit: int) -> int:
    """Return how many more deliveries a broadcast may have due on a channel; its next page is planned while any may.

    `own` of the `due` rows are its own; `sharing` broadcasts are being planned for the channel and lane, itself
    included, and each has an equal part of the limit. One that is alone need not know which are its own.
    """
    if own is None or sharing <= 1:
        return max(0, limit - due)
    return max(0, max(1, limit // sharing) - own) if due < FULL * limit else 0


class Waiting(Protocol):
    """What is due: `client` is a number for whose it is, None for a broadcast's."""

    pk: UUID
    client: int | None
    due_at: datetime


T = TypeVar("T", bound=Waiting)


def quota(most: int, parties: int) -> int:
    """Return how many of a claim of `most` each of several parties may count on; at least one."""
    return max(1, -(-most // parties))


def by_turns(oldest: Sequence[T], firsts: Iterable[T], most: int) -> list[T]:
    """Return what a claim of `most` takes, in turns: one of each client, then the second of each, and so on.

    `oldest` is what has been due longest, `firsts` the first of each client. A quarter goes by age alone, so that
    nobody waits for ever however many clients there are, and so does what is left when all had their share.
    """
    taken = {row.pk: row for row in oldest[: max(1, most // 4)]}
    for row in [*_in_turn(firsts), *oldest]:
        if len(taken) >= most:
            break
        taken.setdefault(row.pk, row)
    return _in_turn(taken.values())


def _in_turn(rows: Iterable[T]) -> list[T]:
    before: Counter[int | None] = Counter()
    numbered = []
    for row in sorted(rows, key=attrgetter("due_at")):
        numbered.append((before[row.client], row))
        before[row.client] += 1
    return [row for _, row in sorted(numbered, key=lambda item: (item[0], item[1].due_at))]
