"""Rivals as processes: started, warmed up, given so many messages, and measured by the sink's log."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from project.demo.stack import ROOT
from tests.benchmarks.judging import compare, rate
from tests.benchmarks.processes import stop
from tests.benchmarks.rivals import rq_jobs
from tests.benchmarks.rivals.message import token
from tests.benchmarks.sink import Sink

WARM_UP = 40
_PATIENCE_SECONDS = 60.0
_numbers = itertools.count(1)


class Rival:
    """Two sender processes of one kind; as a context manager it stops them at the end."""

    def __init__(self, name: str, command: list[str], give: Callable[[Rival, int, int], None], env: dict[str, str]):
        self.name = name
        self._command = command
        self._give = give
        self._env = env
        self.count = 2

    def __enter__(self) -> Self:
        self.processes = [
            subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, **self._env},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(self.count)
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self.processes)

    def warm_up(self, sink: Sink) -> None:
        """Send a few, once the processes are up."""
        self._send(sink, WARM_UP)

    def measure(self, sink: Sink, count: int) -> float:
        """Send so many messages and return how many a second the sink took, from the first to the last.

        Raises:
            RuntimeError: not every message came exactly once.
        """
        return rate(self._send(sink, count))

    def _send(self, sink: Sink, count: int) -> list[float]:
        first = next(_numbers)
        for _ in range(count - 1):
            next(_numbers)
        place, before = sink.log.end(), sink.log.count("fcm")
        giving = threading.Thread(target=self._give, args=(self, first, count), daemon=True)
        giving.start()
        deadline = time.monotonic() + _PATIENCE_SECONDS + count / 20
        while sink.log.count("fcm") - before < count and time.monotonic() < deadline:
            time.sleep(0.02)
        giving.join(_PATIENCE_SECONDS)
        sink.settle()
        taken = list(sink.log.since(place, "fcm"))
        found = compare((token(number) for number in range(first, first + count)), (one.to for one in taken))
        if not found.exact:
            raise RuntimeError(f"{self.name}: {found}")
        return [one.at for one in taken]


def bare_client(sink: Sink, transport: str, in_flight: int) -> Rival:
    """Return the bare client loop, in as many processes as we have workers."""
    module = "tests.benchmarks.rivals.bare_client"

    def give(rival: Rival, first: int, count: int) -> None:
        share = count // rival.count
        for turn, process in enumerate(rival.processes):
            if process.stdin:
                begin = first + turn * share
                size = share if turn < rival.count - 1 else first + count - begin
                process.stdin.write(f"{begin} {size}\n")
                process.stdin.flush()

    return Rival(f"bare {transport}", [sys.executable, "-m", module, transport, sink.url, str(in_flight)], give, {})


def rq_job_each(sink: Sink, redis_url: str) -> Rival:
    """Return one RQ job for each recipient, on two SimpleWorkers."""
    url = redis_url.replace("db=0", "db=5")

    def give(rival: Rival, first: int, count: int) -> None:
        with Redis.from_url(url) as redis:
            rq_jobs.enqueue(redis, range(first, first + count))

    command = [sys.executable, "-m", "tests.benchmarks.rivals.rq_jobs"]
    return Rival("RQ", command, give, {"SINK_URL": sink.url, "RIVAL_REDIS_URL": url})


def celery_task_each(sink: Sink, redis_url: str, folder: Path) -> Rival:
    """Return one Celery task for each recipient, in a worker with two processes."""
    url = celery_url(redis_url)

    def give(rival: Rival, first: int, count: int) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.rivals.celery_tasks", str(first), str(count)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True)

    worker = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.rivals.celery_tasks", "worker", "-c", "2"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    env = {"SINK_URL": sink.url, "RIVAL_REDIS_URL": url}
    made = Rival("Celery", [*worker, *quiet, "--logfile", str(folder / "celery.log")], give, env)
    made.count = 1  # a worker of two processes
    return made


def celery_url(redis_url: str) -> str:
    """Return the same Redis as Celery writes it, with a database of its own."""
    path, _, _ = redis_url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}?virtual_host=6"
