"""The breaker under eight processes: one probe at a time, no false close, deaf to client errors, quick to open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from redis import Redis

from project.demo.stack import ROOT
from tests.chaos.breaker_callers import POLICY
from tests.chaos.breaker_oracle import judge, read
from tests.ground.figures import Figure, Run
from tests.ground.services import Ground

PROCESSES = 8
WANT = (
    "8 processes, >= 50 openings, Redis emptied in between: at most 1 probe in flight per life of Redis, 0 false "
    "closes; 10,000 client errors: 0 opens, 0 closes; 50% failures trip within 2 breaker windows"
)


def run(run: Run) -> list[Figure]:
    """Run the four phases, and the textbook's breaker through the same judge."""
    with Ground.at(run.folder.parent) as ground:
        ground.services.revive()
        pack = _Pack(run, ground.services.redis_url)
        cycles = pack.play("cycles", cycles=run.size(60, 7))
        textbook = pack.play("cycles", kind="textbook", cycles=run.size(20, 4))
        errors = run.size(10_000, 1_600)
        closed = pack.play("client errors", each=errors // 2 // PROCESSES)
        opened = pack.play("client errors while open", each=errors // 2 // PROCESSES)
        half = pack.play("half failing", cycles=run.size(8, 1))
    neutral = closed["calls"] + opened["calls"]
    slowest = max(half["trips"])
    passed = (
        cycles["most_probes"] == 1
        and cycles["false_closes"] == 0
        and cycles["opens"] >= run.size(50, 6)
        and cycles["emptied"] > 0
        and neutral >= errors
        and not any(phase[name] for phase in (closed, opened) for name in ("opens", "closes"))
        and slowest <= 2
        and not textbook["flawless"]
        and not any(phase["failed"] for phase in (cycles, closed, opened, half))
    )
    detail = {
        "processes": PROCESSES,
        "policy": asdict(POLICY),
        "cycles": cycles,
        "client errors while closed": closed,
        "client errors while open": opened,
        "windows until half failing opened it": half["trips"],
        "pybreaker's own CircuitRedisStorage, same judge": textbook,
        "the judge can fail": not textbook["flawless"],
        "counted": "lines that each process appended to its own file; monotonic clock",
    }
    return [Figure("breaker", cycles["false_closes"] + cycles["most_probes"], "false closes + most probes at once",
                   WANT, passed, detail)]  # fmt: skip


class _Pack:
    """Runs one phase after another, each with processes and an emptied Redis of its own."""

    def __init__(self, run: Run, redis_url: str) -> None:
        self._run = run
        self._redis = redis_url
        self._phases = 0

    def play(self, phase: str, *, kind: str = "ours", cycles: int = 0, each: int = 0) -> dict[str, Any]:
        """Run one phase and return its verdict, and what the director did."""
        self._phases += 1
        folder: Path = self._run.folder / f"phase-{self._phases}"
        answer = self._run.folder / f"phase-{self._phases}.json"
        with Redis.from_url(self._redis) as redis:
            redis.flushdb()
        order = {
            "redis": self._redis,
            "folder": str(folder),
            "answer": str(answer),
            "phase": phase,
            "kind": kind,
            "cycles": cycles,
            "each": each,
            "seed": self._run.seed,
            "processes": PROCESSES,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.breaker_callers", json.dumps(order)],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "DJANGO_DEBUG": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{phase}: {done.stderr[-3_000:]}")
        verdict = judge(read(folder))
        return {**asdict(verdict), "flawless": verdict.flawless, **json.loads(answer.read_text())}
