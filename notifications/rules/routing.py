"""Which provider carries a message: the first of the channel's route that serves it and is not held or open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import phonenumbers

from ..conf import RouteEntry
from ..enums import Reason, State
from .doubt import pinned_to
from .standing import Standing


def candidates(route: Sequence[RouteEntry], address: str, platform: str) -> list[str]:
    """Return the aliases that may carry a message to this address or platform, in order."""
    return [
        entry.provider
        for entry in route
        if (not entry.platforms or platform in entry.platforms)
        and (not entry.countries or country_prefix(address) in entry.countries)
    ]


def in_order(aliases: Sequence[str], standing: Standing) -> list[str]:
    """Return the aliases in the order in which this delivery's next attempt should try them.

    What may have gone out through one provider goes through no other, as long as the route has it: only it could
    tell, or know our key. One that certainly did not take the message comes last.
    """
    pinned = pinned_to(standing)
    if pinned in aliases:
        return [pinned]
    failed = standing.provider if standing.state == State.PENDING and standing.reason == Reason.RETRY else ""
    return sorted(aliases, key=lambda alias: alias == failed)


def choose(aliases: Sequence[str], serves: Callable[[str], bool], is_open: Callable[[str], bool]) -> tuple[str, bool]:
    """Return (alias, available).

    The first alias that serves and is usable; else the first that serves, as unavailable; else ("", False).
    """
    serving = [alias for alias in aliases if serves(alias)]
    for alias in serving:
        if is_open(alias):
            return alias, True
    return (serving[0], False) if serving else ("", False)


def country_prefix(number: str) -> str:
    """Return the country calling code of an E.164 number ("49"), or "" if it has none."""
    try:
        return str(phonenumbers.parse(number).country_code)
    except phonenumbers.NumberParseException:
        return ""
