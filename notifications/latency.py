"""How long providers take to answer: a cumulative histogram per account in Redis, counted by all workers.

It is told with what a group's breaker and pace are told, in the same round trip. It may be lost with Redis: whoever
reads it takes that for a restart, as of any counter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

KEY = "carillon:latency:{%s}"
#: Upper bounds of the buckets in seconds; what took longer than the last is in none of them.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Call = tuple[Script, list[str], list[str]]
_KEPT_SECONDS = 30 * 86_400
# Fields: b<n> (answers in a bucket, not cumulated; b11 is beyond all bounds) and us (microseconds, all together).
_SCRIPT = """
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True)
class Latency:
    """What was counted for an account: answers by bucket (one more than there are bounds), and their seconds."""

    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0


def counting(redis: Redis, alias: str, seconds: Iterable[float]) -> Call | None:
    """Return the call that counts these answers, to be run together with others; None without any."""
    taken = list(seconds)
    if not taken:
        return None
    fields = Counter(f"b{bisect_left(BOUNDS, value)}" for value in taken)
    fields["us"] = round(sum(taken) * 1_000_000)
    arguments = [str(_KEPT_SECONDS), *(str(item) for pair in fields.items() for item in pair)]
    return redis.register_script(_SCRIPT), [KEY % alias], arguments


def read(redis: Redis, alias: str) -> Latency | None:
    """Return what was counted for an account, or None if Redis is away."""
    try:
        found: Mapping[bytes | str, bytes | str] = redis.hgetall(KEY % alias)
    except RedisError:
        return None
    row = {name.decode() if isinstance(name, bytes) else name: int(value) for name, value in found.items()}
    return Latency(tuple(row.get(f"b{n}", 0) for n in range(len(BOUNDS) + 1)), row.get("us", 0) / 1_000_000)
