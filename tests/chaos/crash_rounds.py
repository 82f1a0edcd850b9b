"""Runs inside a deployment: crashes a forked child at one boundary after another, heals, and judges every round.

    python -m tests.chaos.crash_rounds '{"answer": ..., "sandbox": ..., ...}'

The parent imports everything, then forks: a child for each crash, and a healer that lives as long as the run. Trusted
are the log of what was acknowledged and the sandbox's file; then the database is compared with them.
"""

# ruff: noqa: I001 - Django has to be set up before anything of it is imported
from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.inside import (
    STOPPED_WHILE_ENDING,
    SandboxFile,
    ended,
    fork,
    patient_redis,
    shorten_waits,
)  # it sets Django up

from django.conf import settings
from django.urls import get_resolver

from notifications import conf
from notifications.enums import OPEN_STATES, BroadcastStatus, Channel, State
from notifications.flows import gate
from notifications.flows.broadcast import plan_page
from notifications.flows.drain import drain
from notifications.flows.reconcile import reconcile
from notifications.flows.sweep import sweep
from notifications.models import Broadcast, Claim, Delivery
from notifications.sandbox.records import Accepted
from tests.chaos.crash_points import Crash, Hit, install
from tests.chaos.crash_targets import PAGE, SHORT_DOUBT, SHORT_LEASE, TARGETS, Scene, Target, make_scene


HEAL_SECONDS = 60.0
MOST_POINTS = 5_000
KILLED, GRACEFUL, NOT_LISTENING, UNHARMED = "killed", "stopped", "told to stop before it listened", "unharmed"


@dataclass
class Round:
    """One crash and what came of it."""

    fired: bool
    points: list[str]
    lines: list[Accepted]
    ended: str = ""
    wrong: list[str] = field(default_factory=list)
    twice: int = 0
    again: int = 0


@dataclass
class Tally:
    """What all crashes of one target and signal came to."""

    name: str
    keyed: bool
    points: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    twice: int = 0
    again: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it for the scenario."""
        return {**vars(self), "by_kind": dict(sorted(self.by_kind.items()))}


class Rounds:
    """The parent: one deployment, one healer, a child for every crash."""

    def __init__(self, folder: Path, sandbox_file: Path, first: int, stride: int) -> None:
        self._folder = folder
        self._sandbox = SandboxFile(sandbox_file)
        self._first, self._stride = first, stride
        self._scene = make_scene(folder / f"acknowledged-{os.getpid()}.log", settings.NOTIFICATIONS["PUBLIC_URL"])
        self._redis = patient_redis()
        self._number = (os.getpid() % 100) * 100_000
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        self._healer_pid = fork(lambda: _heal_forever(ours, theirs))
        theirs.close()
        self._healer: Connection = ours

    def crash_everywhere(self, target: Target) -> Tally:
        """Crash (or stop) a target at its first boundary, its second, and so on until it gets through unharmed."""
        _route_email(target.email)
        tally, began = Tally(target.name, target.keyed), time.monotonic()
        at = self._first
        while at < MOST_POINTS:
            made = self._round(target, at)
            tally.messages += len({line.delivery for line in made.lines})
            tally.twice += made.twice
            tally.again += made.again
            tally.wrong += [f"at point {at} ({made.points[-1:]}): {text}" for text in made.wrong]
            if not made.fired:
                break
            tally.points += 1
            tally.endings[made.ended] += 1
            when, what, _ = made.points[at - 1].split(" ", 2)
            tally.by_kind[f"{when} {what}"] += 1
            at += self._stride
        tally.seconds = round(time.monotonic() - began, 1)
        return tally

    def silent_repeats(self) -> list[str]:
        """Return what the whole of the sandbox's file says, whatever came too late for its own round."""
        accepts = Counter(UUID(line.delivery or "") for line in self._sandbox.all_lines())
        twice = [key for key, times in accepts.items() if times > 1]
        silent = Delivery.objects.filter(pk__in=twice, possible_duplicate=False).values_list("pk", flat=True)
        return [f"{key} was taken twice in silence" for key in silent]

    def end(self) -> None:
        """Let the healer go."""
        os.kill(self._healer_pid, signal.SIGKILL)
        os.waitpid(self._healer_pid, 0)

    def _round(self, target: Target, at: int) -> Round:
        self._number += 1
        scene = replace(self._scene, number=self._number)
        self._redis.flushdb()
        target.prepare(scene)
        in_doubt: set[UUID] = set()
        if target.beforehand == "sent":
            self._heal()
        elif target.beforehand == "left behind":
            ended(fork(lambda: _under(_die_answered, lambda: drain(Channel.SMS, "left-behind", []))))
            in_doubt = _unrecorded()
            time.sleep(SHORT_LEASE)
        log = self._folder / f"points-{os.getpid()}.log"
        log.unlink(missing_ok=True)
        number = signal.SIGTERM if target.told_to_stop else signal.SIGKILL
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        status = ended(fork(lambda: _under(Crash(descriptor, at, number), lambda: target.act(scene))))
        os.close(descriptor)
        points = log.read_text().splitlines()
        made = Round(len(points) >= at, points, [])
        made.ended = _ending(target.told_to_stop, made.fired, status)
        if not made.ended:
            made.wrong.append(f"the doomed process ended with {status}")
        unrecorded = _unrecorded()
        if made.ended == GRACEFUL and unrecorded:
            made.wrong.append(f"left in doubt by a graceful stop: {len(unrecorded)}")
        target.afterwards(scene)
        self._heal()
        made.lines = self._sandbox.new_lines()
        self._judge(made, scene, target, unrecorded | in_doubt)
        return made

    def _judge(self, made: Round, scene: Scene, target: Target, in_doubt: set[UUID]) -> None:
        graceful = made.ended == GRACEFUL
        asked = self._acknowledged(scene.number)
        rows = {row.pk: row for row in Delivery.objects.filter(notification_id__in=asked)}
        rows |= Delivery.objects.in_bulk([UUID(line.delivery or "") for line in made.lines])
        accepts = Counter(UUID(line.delivery or "") for line in made.lines)
        if missing := asked - {row.notification_id for row in rows.values()}:
            made.wrong.append(f"acknowledged, and not in the database: {missing}")
        if unknown := set(accepts) - set(rows):
            made.wrong.append(f"sent, and not committed: {unknown}")
        for key, row in rows.items():
            times = accepts[key]
            made.again += row.attempt > 1
            if target.refused == row.channel:
                made.wrong += _wrong_with_refused(row, times)
                continue
            if not times:
                made.wrong.append(f"lost: {key} is {row.state} {row.reason}")
            if row.state in OPEN_STATES:
                made.wrong.append(f"stuck: {key} is {row.state}")
            if times > 1:
                made.twice += 1
                made.wrong += _wrong_with_twice(row, times, target.keyed or graceful, key in in_doubt)
            if graceful and row.possible_duplicate:
                made.wrong.append(f"a graceful stop made {key} a possible duplicate")
        made.wrong += target.check(scene)

    def _acknowledged(self, number: int) -> set[UUID]:
        path = self._scene.acknowledged
        pairs = (line.split() for line in path.read_text().splitlines()) if path.exists() else ()
        return {UUID(key) for own, key in pairs if int(own) == number}

    def _heal(self) -> None:
        self._healer.send(next(iter(conf.get().routes[Channel.EMAIL])).provider)
        answer = self._healer.recv()
        if answer:
            raise RuntimeError(f"the healthy worker failed: {answer}")


def _ending(told_to_stop: bool, fired: bool, status: int) -> str:
    """Return how the doomed process ended, or nothing if it should not have ended like that."""
    if not fired:
        return UNHARMED if status == 0 else ""
    if not told_to_stop:
        return KILLED if status == -signal.SIGKILL else ""
    # Until RQ has installed its handlers, and from when it has put them away, a stop is a kill.
    return {0: GRACEFUL, STOPPED_WHILE_ENDING: GRACEFUL, -signal.SIGTERM: NOT_LISTENING}.get(status, "")


def _under(hit: Hit, work: Callable[[], None]) -> None:
    install(hit)
    work()


def _die_answered(when: str, what: str, _: str) -> None:
    """End this process once a provider has answered."""
    if (when, what) == ("after", "http"):
        os.kill(os.getpid(), signal.SIGKILL)


def _wrong_with_twice(row: Delivery, times: int, never: bool, in_doubt: bool) -> Iterator[str]:
    if never:
        yield f"{row.pk} was taken {times} times, where it must be once"
    if times > 2:
        yield f"{row.pk} was taken {times} times"
    if not in_doubt:
        yield f"{row.pk} was taken twice although its first send was recorded"
    if not row.possible_duplicate:
        yield f"{row.pk} was taken twice in silence"


def _wrong_with_refused(row: Delivery, times: int) -> Iterator[str]:
    if times:
        yield f"{row.pk} was taken {times} times, where the provider takes none"
    if row.state in OPEN_STATES or not row.reason:
        yield f"{row.pk} is {row.state} without having ended for a reason"


def _unrecorded() -> set[UUID]:
    """Return what was declared as started, and of which nothing is recorded."""
    claims = dict(Claim.objects.values_list("pk", "started_upto"))
    rows = Delivery.objects.filter(state__in=(State.SENDING, State.UNCERTAIN))
    return {
        row.pk
        for row in rows
        if row.state == State.UNCERTAIN or (row.position or 0) <= claims.get(row.claim_id or 0, MOST_POINTS)
    }


def _heal_forever(parents: Connection, orders: Connection) -> None:
    """Be a healthy worker and sweeper: whenever asked, finish whatever is open, and say so."""
    parents.close()
    while True:
        try:
            provider = orders.recv()
        except EOFError:
            return
        _route_email(provider)
        ends = time.monotonic() + HEAL_SECONDS
        while time.monotonic() < ends:
            sweep("healer")
            for key in _unplanned():
                while plan_page(key):
                    pass
            for channel in Channel:
                drain(channel, "healer", list(Channel))
            while reconcile():
                pass
            if not Delivery.objects.filter(state__in=OPEN_STATES).exists() and not _unplanned():
                break
            time.sleep(SHORT_LEASE / 4)
        orders.send("")


def _unplanned() -> list[UUID]:
    unplanned = (BroadcastStatus.SCHEDULED, BroadcastStatus.PLANNING)
    return list(Broadcast.objects.filter(status__in=unplanned).values_list("pk", flat=True))


def _route_email(provider: str) -> None:
    settings.NOTIFICATIONS = {
        **settings.NOTIFICATIONS,
        "ROUTES": {**settings.NOTIFICATIONS["ROUTES"], "email": [provider]},
    }
    conf.get.cache_clear()


def _warm_up() -> None:
    """Load what every child would load anew: client libraries, URLs; nothing is connected to."""
    for alias in settings.NOTIFICATIONS["PROVIDERS"]:
        gate.adapter(alias)
    get_resolver().resolve("/api/v1/notifications/")
    gc.collect()
    gc.freeze()


def main(order: dict[str, Any]) -> None:
    """Crash what this lane was given and write down what came of it."""
    shorten_waits(SHORT_LEASE, SHORT_DOUBT)
    conf.START_GROUP = conf.LARGE_START_GROUP = 1  # two messages are two groups
    conf.PAGE_SIZE = PAGE  # a few members are several pages
    settings.NOTIFICATIONS = {
        **settings.NOTIFICATIONS,
        "PROVIDERS": {**settings.NOTIFICATIONS["PROVIDERS"], **order["providers"]},
    }
    _warm_up()
    rounds = Rounds(Path(order["folder"]), Path(order["file"]), order["first"], order["stride"])
    wanted = [target for target in TARGETS if target.name in order["targets"]]
    done = [rounds.crash_everywhere(target).as_json() for target in wanted]
    done[-1]["wrong"] += rounds.silent_repeats()
    Path(order["answer"]).write_text(json.dumps(done), encoding="utf-8")
    rounds.end()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
