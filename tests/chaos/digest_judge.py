"""The judge of throttled messages: each goes out by itself or is told of in exactly one digest, and so many by itself.

Judged is one address at a time. What was taken by itself is known by its words, what a digest holds by its items, and
how many it speaks of by its words again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Letter:
    """One digest: when its window ended, what it gathered, and the number that it spoke of each time it was taken."""

    window: str
    items: Sequence[str]
    said: Sequence[int]
    flagged: bool = False


@dataclass(frozen=True)
class Verdict:
    """What is wrong: names of messages, or windows of digests."""

    lost: Sequence[str]
    both: Sequence[str]
    in_several: Sequence[str]
    unasked: Sequence[str]
    unflagged: Sequence[str]
    miscounted: Sequence[str]
    crowded: Sequence[str]
    beyond: int
    alone: int
    copies: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    @property
    def wrong(self) -> int:
        """How much is wrong."""
        return sum(len(getattr(self, name)) for name in _LISTS) + abs(self.beyond)

    def detail(self) -> dict[str, object]:
        """Return the counts, with a few names of whatever is wrong."""
        lists = {name: getattr(self, name) for name in _LISTS}
        counts = {name: value for name, value in asdict(self).items() if name not in lists}
        examples = {name: list(found)[:5] for name, found in lists.items() if found}
        return {**counts, **{name: len(found) for name, found in lists.items()}, "examples": examples}


_LISTS = tuple(item.name for item in fields(Verdict) if item.name not in ("beyond", "alone", "copies"))


def judge(
    asked: Collection[str], taken: Sequence[str], letters: Sequence[Letter], flagged: Collection[str], most: int
) -> Verdict:
    """Compare what was acknowledged for an address with what the provider took for it.

    Lost: neither taken by itself nor in a digest that was taken. Both: taken by itself and told of in a digest.
    Miscounted: the digest speaks of another number than it gathered. Crowded: a window with more than one digest.
    Beyond: how many more than `most` went out by themselves; negative if there was room for more.
    """
    times = Counter(taken)
    told = Counter(name for letter in letters for name in letter.items)
    arrived = {name for letter in letters if letter.said for name in letter.items}
    windows = Counter(letter.window for letter in letters)
    doubled = [name for name, number in times.items() if number > 1 and name not in flagged]
    doubled += [letter.window for letter in letters if len(letter.said) > 1 and not letter.flagged]
    return Verdict(
        lost=sorted(set(asked) - set(times) - arrived),
        both=sorted(set(times) & set(told)),
        in_several=sorted(name for name, number in told.items() if number > 1),
        unasked=sorted((set(times) | set(told)) - set(asked)),
        unflagged=doubled,
        miscounted=[letter.window for letter in letters if set(letter.said) - {len(letter.items)}],
        crowded=[window for window, number in windows.items() if number > 1],
        beyond=len(times) - min(most, len(set(asked))),
        alone=len(times),
        copies=sum(number - 1 for number in times.values()) + sum(max(0, len(letter.said) - 1) for letter in letters),
    )
