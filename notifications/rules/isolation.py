"""Isolation: when a page cannot be planned, whether single recipients are at fault or something that all share."""

from __future__ import annotations

from datetime import timedelta

#: After so many failures in a row a broadcast stops, and a person decides.
MOST_FAILURES = 5
#: Where a whole page fails, no more than this is taken for a coincidence, and only if others can be planned.
_FEW = 10
_SHARE = 10
_FIRST_WAIT = timedelta(seconds=2)


def most_left_out(tried: int) -> int:
    """Return how many of a page may be left out: a tenth, or a few. More are no exceptions any more."""
    return max(_FEW, tried // _SHARE)


def is_shared(failed: int, tried: int, *, others_fine: bool) -> bool:
    """Whether a failure is not that of single recipients: too many failed, or all did and so do their neighbours."""
    if failed > most_left_out(tried):
        return True
    return failed == tried and not others_fine


def next_try(failures: int) -> timedelta:
    """Return how long a page waits that failed so many times in a row: twice as long each time."""
    return _FIRST_WAIT * float(2 ** max(0, failures - 1))
