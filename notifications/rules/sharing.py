"""Sharing: how far ahead of the workers a broadcast may plan, so that none starves another of the same lane."""

from __future__ import annotations

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
