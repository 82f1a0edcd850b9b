"""Sharing: how far ahead of the workers a broadcast may plan, so that none starves another of the same lane."""

from __future__ import annotations

#: Due rows are counted no further than this many times the limit: then others have filled the channel by themselves.
FULL = 2


def has_room(own: int, due: int, sharing: int, limit: int) -> bool:
    """Whether a broadcast may plan its next page on a channel.

    `own` of the `due` rows are its own; `sharing` broadcasts are being planned for the channel and lane, itself
    included, and each has an equal part of the limit.
    """
    return own < max(1, limit // max(1, sharing)) and due < FULL * limit
