"""In the place of Redis while a test runs: breakers stay closed, accounts have no rate, pauses are kept to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

#: The arguments of a pace's script before the values of its operation, and which of these is a report's pause.
_VALUES_FROM, _PAUSE = 8, 4
_WITHOUT_A_TIME_MS = 1_000.0
_CLOSED = ["closed", "1", 0, 1, 0, 0, 0, 0]
#: What a worker is told that wants to be at campaigns: that there is no limit.
_NO_LIMIT = 2


class NoRedis:
    """Answers what breakers, paces and roll-ups ask of Redis; keeps nothing but the pauses of accounts.

    `shift` tells by how many seconds the clock was moved, so that a pause ends when time travels beyond it.
    """

    def __init__(self, shift: Callable[[], float]) -> None:
        self._shift = shift
        self._paused: dict[str, float] = {}

    def clear(self) -> None:
        """Forget every pause."""
        self._paused.clear()

    def register_script(self, script: str) -> _Script:
        """Return what stands for a script: whose it is, its keys tell."""
        return _Script(self)

    def pipeline(self, *, transaction: bool = True) -> _Pipeline:
        """Return what collects commands."""
        return _Pipeline(self)

    def run(self, keys: Sequence[str], arguments: Sequence[str]) -> list[object]:
        """Answer a script: whose it is, its first key tells. Nothing is counted, so that nobody is over a limit."""
        kind = keys[0].split(":")[1]
        if kind == "breaker":
            return list(_CLOSED)
        if kind == "workers":
            return [_NO_LIMIT]
        if kind != "pace":
            return [1] * len(keys)
        operation, values = arguments[0], [float(value) for value in arguments[_VALUES_FROM:]]
        return self._pace(keys[0], operation, values)

    def _pace(self, key: str, operation: str, values: Sequence[float]) -> list[object]:
        now = monotonic() + self._shift()
        until = self._paused.get(key, now)
        granted = wait = paused = lengthened = 0.0
        if operation == "lift":
            self._paused.pop(key, None)
        elif operation == "report" and values[_PAUSE]:
            length = values[_PAUSE] if values[_PAUSE] > 0 else _WITHOUT_A_TIME_MS
            self._paused[key] = max(until, now + length / 1_000)
            lengthened = float(self._paused[key] > until)
        elif operation == "reserve" and until > now:
            paused, wait = 1, (until - now) * 1_000
        elif operation == "reserve":
            granted = values[0]
        return [int(granted), int(wait), int(paused), "", "1", 0, 0, 1, int(lengthened)]

    # What wake-ups and roll-ups ask

    def eval(self, script: str, count: int, *rest: object) -> int:
        """Nobody waits for messages to gather."""
        return 0

    def delete(self, *names: str) -> int:
        """Delete nothing."""
        return 0

    def time(self) -> tuple[int, int]:
        """Tell no time: nothing is kept by it."""
        return 0, 0

    def zrangebyscore(self, name: str, first: float, last: str, *, withscores: bool) -> list[tuple[bytes, float]]:
        """Nobody else is alive."""
        return []

    def llen(self, name: str) -> int:
        """No wake-up waits."""
        return 0

    def lrange(self, name: str, first: int, last: int) -> list[bytes]:
        """No wake-up waits."""
        return []

    def hgetall(self, name: str) -> dict[bytes, bytes]:
        """Nothing was counted."""
        return {}


class _Script:
    sha = "test"

    def __init__(self, redis: NoRedis) -> None:
        self._redis = redis

    def __call__(self, keys: Sequence[str] = (), args: Sequence[str] = ()) -> list[object]:
        return self._redis.run(keys, args)


class _Pipeline:
    def __init__(self, redis: NoRedis) -> None:
        self._redis = redis
        self._answers: list[object] = []

    def evalsha(self, sha: str, count: int, *rest: str) -> None:
        self._answers.append(self._redis.run(rest[:count], rest[count:]))

    def hincrby(self, name: str, key: str, amount: int) -> None:
        self._answers.append(amount)

    def expire(self, name: str, seconds: int) -> None:
        self._answers.append(1)

    def execute(self, *, raise_on_error: bool = True) -> list[object]:
        return self._answers
