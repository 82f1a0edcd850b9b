"""Whether a run under kills was worth judging, and whether each second copy has a kill behind it. Pure: no processes.

What is shared by the scenarios that kill: as many kills as were wanted and of every kind, and a delivery that was taken
twice only if it was started and unrecorded in a victim's hands. A resend of what was recorded is wrong, flagged or not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

_TAKEN_OVER = re.compile(r"took over claim \d+ of [^\s:]+:(\d+)\S*: (\d+) rows")


def too_few(struck: Mapping[str, int], kinds: Collection[str], wanted: int) -> list[str]:
    """Object to fewer kills than wanted, and to kinds that were never killed (of so few kills each is another)."""
    found = []
    if sum(struck.values()) < wanted:
        found.append(f"{sum(struck.values())} kills, where {wanted} were wanted")
    missing = sorted(kind for kind in kinds if not struck.get(kind))
    if len(kinds) - len(missing) < min(wanted, len(kinds)):
        found.append(f"never killed: {', '.join(missing)}")
    return found


def unexplained(
    taken: Iterable[str | None], held: Collection[str], doubted: Collection[str] = (), too_slow: int = 0
) -> list[str]:
    """Return the deliveries that were taken more than once and were not started and unrecorded at any kill.

    So many as living workers were `too_slow` for (see `stalled`) are passed over, if they were in doubt for that.
    """
    repeats = sorted(str(key) for key, times in Counter(taken).items() if times > 1 and key not in held)
    borne = {key for key in repeats if key in doubted}
    return [key for key in repeats if key not in set(sorted(borne)[:too_slow])]


def stalled(logs: Iterable[str], killed: Collection[int]) -> int:
    """Return how many rows sweepers took from workers that lived, and were only too slow to renew their lease.

    Nobody was killed there, and still the row is in doubt: the machine was too busy. A machine that keeps up has none.
    """
    found = (match.groups() for log in logs for match in _TAKEN_OVER.finditer(log))
    return sum(int(rows) for pid, rows in found if int(pid) not in killed)


def objections(
    *,
    struck: Mapping[str, int],
    kinds: Collection[str],
    wanted: int,
    unread: int,
    repeats: Sequence[str],
) -> list[str]:
    """Return in words all that is wrong with a run's kills; `unread`: of how many victims nobody saw what they held."""
    found = too_few(struck, kinds, wanted)
    if unread:
        found.append(f"{unread} kills after which it could not be read what the victim had in its hands")
    if repeats:
        found.append(f"{len(repeats)} deliveries taken again that no victim had in its hands: {', '.join(repeats[:5])}")
    return found
