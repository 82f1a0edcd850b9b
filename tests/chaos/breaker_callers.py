"""Eight processes that call a failing provider through one breaker, and write down what they did.

    python -m tests.chaos.breaker_callers '{"redis": url, "folder": ..., "phase": ..., ...}'

The parent forks them, plays the provider's health and empties Redis; nothing is judged here. Times are monotonic, which
is one clock for all processes of a machine. `kind` "textbook" calls through pybreaker's own Redis storage instead.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerListener, CircuitRedisStorage
from redis import Redis

from notifications.breakers import ProviderBreaker
from notifications.rules.breaking import BreakerPolicy

ALIAS = "chaos"
POLICY = BreakerPolicy(
    window=2.0, minimum_volume=10, threshold=0.5, reset_timeout=0.1, longest_timeout=0.2, probe_lease=15.0
)
DEAD, WELL, HALF, CLIENT_ERRORS = range(4)
PATIENCE_SECONDS = 60.0
GOOD, BAD, NEUTRAL = "good", "bad", "neutral"


class Shared:
    """What all processes see: the provider's health, the life of Redis, when to end, how many neutral answers came.

    `life` is odd while Redis is being emptied. One byte each, which is written whole.
    """

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, 4)

    def get(self, place: int) -> int:
        """Return one of them."""
        return self._bytes[place]

    def put(self, place: int, value: int) -> None:
        """Set one of them."""
        self._bytes[place] = value


HEALTH, LIFE, END = range(3)


class Diary:
    """One process' own file, a line for each event, in single appended writes."""

    def __init__(self, folder: Path, shared: Shared) -> None:
        self._descriptor = os.open(folder / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._shared = shared
        self.doing: dict[str, Any] | None = None

    def write(self, event: str, **what: Any) -> None:
        """Add a line."""
        line = json.dumps({"event": event, "process": os.getpid(), **what}) + "\n"
        os.write(self._descriptor, line.encode())

    def transition(self, to: str) -> None:
        """Note a transition that this process caused while it reported a call."""
        if self.doing is not None and to in ("open", "closed"):
            # Emptied since the call began: that closed it, not the report that found nothing.
            emptied = self._shared.get(LIFE) != self.doing["life"]
            self.write(to, after=time.monotonic(), **{**self.doing, **({"life": -1} if emptied else {})})


class Listener(CircuitBreakerListener):
    """Writes down the transitions that this process caused."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary

    def state_change(self, cb: CircuitBreaker, old_state: Any, new_state: Any) -> None:
        """Note it, unless it was only noticed."""
        if getattr(cb._state_storage, "caused", True):
            self._diary.transition(new_state.name)


class Caller(Protocol):
    """Calls the provider once, if its breaker lets it."""

    def call(self, send: Callable[[], str]) -> None:
        """Send and report, or wait a moment."""


class Ours:
    """Through the product's breaker."""

    def __init__(self, redis: Redis, diary: Diary, shared: Shared) -> None:
        self._breaker = ProviderBreaker(ALIAS, redis, POLICY, listeners=[Listener(diary)])
        self._diary, self._shared = diary, shared

    def call(self, send: Callable[[], str]) -> None:
        """Check, send, report."""
        life = self._shared.get(LIFE)
        permit = self._breaker.check()
        if self._shared.get(LIFE) != life or life % 2:
            life = -1  # it may belong to either
        if not permit.allowed:
            time.sleep(min(0.02, permit.retry_after) or 0.001)
            return
        began = time.monotonic()
        answer = send()
        ended = time.monotonic()
        if permit.probe:
            self._diary.write("probe", began=began, ended=ended, life=life, answer=answer)
        self._diary.doing = {
            "before": time.monotonic(),
            "began": began,
            "probe": permit.probe,
            "answer": answer,
            "life": life,
        }
        self._breaker.report(permit, int(answer == GOOD), int(answer == BAD))
        self._diary.doing = None


class Textbook:
    """Through pybreaker as it comes, with its own Redis storage."""

    def __init__(self, redis: Redis, diary: Diary, shared: Shared) -> None:
        self._breaker = CircuitBreaker(
            fail_max=5,
            reset_timeout=POLICY.reset_timeout,
            state_storage=CircuitRedisStorage("closed", redis, namespace=ALIAS),
            listeners=[Listener(diary)],
        )
        self._diary, self._shared = diary, shared

    def call(self, send: Callable[[], str]) -> None:
        """Let pybreaker call."""
        life = self._shared.get(LIFE)

        def sending() -> None:
            probe = self._breaker.current_state == "half-open"
            began = time.monotonic()
            answer = send()
            ended = time.monotonic()
            if probe:
                self._diary.write("probe", began=began, ended=ended, life=life, answer=answer)
            self._diary.doing = {"before": ended, "began": began, "probe": probe, "answer": answer, "life": life}
            if answer == BAD:
                raise ConnectionError

        try:
            self._breaker.call(sending)
        except CircuitBreakerError:
            time.sleep(0.005)
        except ConnectionError:
            pass
        finally:
            self._diary.doing = None


def provider(shared: Shared, draw: random.Random) -> Callable[[], str]:
    """Return a send: its answer is what the provider's health was when the request came in; one in ten is slow."""
    turn = itertools.count(draw.randrange(2))

    def send() -> str:
        health = shared.get(HEALTH)
        if health == CLIENT_ERRORS:
            return NEUTRAL
        time.sleep(draw.uniform(0.3, 0.6) if draw.random() < 0.1 and health == WELL else draw.uniform(0.002, 0.02))
        return GOOD if health == WELL or (health == HALF and next(turn) % 2) else BAD

    return send


def live(order: dict[str, Any], shared: Shared, number: int) -> None:
    """Be one of the processes until the end is called."""
    draw = random.Random(order["seed"] * 100 + number)
    diary = Diary(Path(order["folder"]), shared)
    with Redis.from_url(order["redis"], socket_timeout=10) as redis:
        kind = Textbook if order["kind"] == "textbook" else Ours
        caller: Caller = kind(redis, diary, shared)
        send = provider(shared, draw)
        quota = order.get("each", 0)
        calls = 0

        def counted() -> str:
            nonlocal calls
            calls += 1
            return send()

        while not shared.get(END) and not (quota and calls >= quota):
            caller.call(counted)
    diary.write("calls", count=calls)


class Director:
    """The parent: plays the provider's health and empties Redis."""

    def __init__(self, order: dict[str, Any], shared: Shared) -> None:
        self._order, self._shared = order, shared
        self._redis = Redis.from_url(order["redis"], socket_timeout=10)
        self._draw = random.Random(order["seed"])
        self._breaker = ProviderBreaker(ALIAS, self._redis, POLICY)
        self.emptied = 0
        self.trips: list[float] = []

    def state(self) -> str:
        """Return the breaker's state."""
        if self._order["kind"] == "textbook":
            return str((self._redis.get(f"{ALIAS}:state") or b"closed").decode())
        return self._breaker.state().state

    def wait_for(self, *states: str) -> None:
        """Wait until the breaker is in one of these states; the textbook's may never be."""
        textbook = self._order["kind"] == "textbook"
        ends = time.monotonic() + (1.0 if textbook else PATIENCE_SECONDS)
        while self.state() not in states:
            if time.monotonic() > ends and textbook:
                return
            if time.monotonic() > ends:
                raise TimeoutError(f"the breaker stays {self.state()}")
            time.sleep(0.005)

    def cycles(self) -> None:
        """Let the provider fail and recover, again and again; empty Redis now and then, in every state."""
        for number in range(self._order["cycles"]):
            self._shared.put(HEALTH, DEAD)
            self.wait_for("open", "half-open")
            time.sleep(self._draw.uniform(0.1, 0.5))
            if number % 5 == 3 and self._order["kind"] != "textbook":
                self.empty()
            self._shared.put(HEALTH, WELL)
            self.wait_for("closed")
            time.sleep(self._draw.uniform(0.05, 0.3))
            if number % 10 == 9 and self._order["kind"] != "textbook":
                self.empty()

    def empty(self) -> None:
        """Empty Redis: a new life begins."""
        life = self._shared.get(LIFE)
        self._shared.put(LIFE, (life + 1) % 256)
        self._redis.flushdb()
        self._shared.put(LIFE, (life + 2) % 256)
        self.emptied += 1

    def half_failing(self) -> None:
        """Measure how long it takes to open once every second send fails, after a window that went well."""
        for _ in range(self._order["cycles"]):
            self._shared.put(HEALTH, WELL)
            self.wait_for("closed")
            time.sleep(1.2 * POLICY.window)
            began = time.monotonic()
            self._shared.put(HEALTH, HALF)
            self.wait_for("open", "half-open")
            self.trips.append((time.monotonic() - began) / POLICY.window)

    def trip(self) -> None:
        """Open it, so that what follows are probes."""
        self._breaker.report(self._breaker.check(), 0, 2 * POLICY.minimum_volume)
        self.wait_for("open", "half-open")


def main(order: dict[str, Any]) -> None:
    """Fork the processes, direct them, wait for them, and write down what was done."""
    Path(order["folder"]).mkdir(parents=True)
    shared = Shared()
    shared.put(HEALTH, CLIENT_ERRORS if order["phase"].startswith("client errors") else WELL)
    director = Director(order, shared)
    if order["phase"] == "client errors while open":
        director.trip()
    children = []
    for number in range(order["processes"]):
        child = os.fork()
        if child == 0:
            try:
                live(order, shared, number)
            except BaseException:  # noqa: BLE001 - a fork must not become a second parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    try:
        if order["phase"] == "cycles":
            director.cycles()
        elif order["phase"] == "half failing":
            director.half_failing()
    except BaseException:
        for child in children:
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        if not order.get("each"):
            shared.put(END, 1)
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    answer = {"emptied": director.emptied, "trips": director.trips, "failed": failed, "state": director.state()}
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
