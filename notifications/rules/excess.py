"""Excess: when so much of a broadcast fails, or so many complain, that a person must look before it goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

# One person who presses "spam" is no judgement, however small the broadcast.
_FEWEST_COMPLAINTS = 5


@dataclass(frozen=True)
class Judged:
    """How many deliveries were tried and are over, how many of them failed for good or were complained of."""

    tried: int = 0
    failed: int = 0
    complaints: int = 0

    def since(self, earlier: Judged) -> Judged:
        """Return what was added since an earlier look; a replay may have taken something back."""
        mine, theirs = asdict(self), asdict(earlier)
        return Judged(**{name: max(0, mine[name] - theirs[name]) for name in mine})

    def least(self, other: Judged) -> Judged:
        """Return the smaller of each count."""
        mine, theirs = asdict(self), asdict(other)
        return Judged(**{name: min(mine[name], theirs[name]) for name in mine})


def excess(counts: Judged, most_failed: float | None, most_complaints: float | None, judged_from: int) -> str:
    """Return what is too much, with figures, or "" while a broadcast may go on.

    It is judged once `judged_from` deliveries were tried; a limit of None is no limit.
    """
    if counts.tried < judged_from or not counts.tried:
        return ""
    if most_failed is not None and counts.failed > most_failed * counts.tried:
        return _told(counts.failed, counts.tried, "failed", most_failed)
    complained = counts.complaints >= _FEWEST_COMPLAINTS
    if most_complaints is not None and complained and counts.complaints > most_complaints * counts.tried:
        return _told(counts.complaints, counts.tried, "were complained of", most_complaints)
    return ""


def _told(count: int, tried: int, what: str, limit: float) -> str:
    return f"{count:,} of {tried:,} {what} ({count / tried:.1%}; the limit is {limit:.1%})"
