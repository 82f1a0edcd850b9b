"""What a run costs: CPU seconds by part, the workers' memory, and what Valkey holds, sampled while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil
from redis import Redis, RedisError

MB = 1024 * 1024


def with_children(pid: int | None) -> list[psutil.Process]:
    """Return a process and all below it that are alive."""
    with contextlib.suppress(psutil.Error):
        if pid is not None:
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
    return []


def cpu_seconds(pids: Sequence[int | None]) -> float:
    """Return the CPU time of processes and their children so far, that of the waited-for dead included."""
    total = 0.0
    for pid in pids:
        for process in with_children(pid):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


class Usage:
    """Samples while it is open: `parts` names the processes of each part; memory is that of the part `workers`."""

    def __init__(self, parts: Callable[[], Mapping[str, Sequence[int | None]]], redis_url: str, every: float = 1.0):
        self._parts = parts
        self._redis_url = redis_url
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.rss: dict[int, list[float]] = {}
        self.valkey: list[float] = []

    def __enter__(self) -> Self:
        self.valkey_before = self._valkey_mb()
        self._before = {name: cpu_seconds(pids) for name, pids in self._parts().items()}
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began
        after = {name: cpu_seconds(pids) for name, pids in self._parts().items()}
        self.cpu = {name: round(max(0.0, after[name] - self._before.get(name, 0.0)), 2) for name in after}

    @property
    def worker_mb(self) -> float:
        """The most that any worker held."""
        return round(max((max(samples) for samples in self.rss.values()), default=0.0), 1)

    @property
    def growth_mb(self) -> float:
        """By how much a worker grew from a quarter of the run on to its end: flat means about nothing."""
        grown = [quarter_growth(samples) for samples in self.rss.values()]
        return round(max(grown, default=0.0), 1)

    @property
    def valkey_mb(self) -> float:
        """The most that Valkey held beyond what it held before."""
        return round(max([self.valkey_before, *self.valkey]) - self.valkey_before, 2)

    def _sample(self) -> None:
        while not self._over.wait(self._every):
            for pid in self._parts().get("workers", ()):
                with contextlib.suppress(psutil.Error):
                    if pid is not None:
                        self.rss.setdefault(pid, []).append(psutil.Process(pid).memory_info().rss / MB)
            self.valkey.append(self._valkey_mb())

    def _valkey_mb(self) -> float:
        with contextlib.suppress(RedisError), Redis.from_url(self._redis_url) as redis:
            return float(redis.info("memory")["used_memory"]) / MB
        return 0.0


def quarter_growth(samples: Sequence[float]) -> float:
    """Return the last sample less the one at a quarter of the way; what is loaded at the start is no growth."""
    return samples[-1] - samples[len(samples) // 4] if samples else 0.0
