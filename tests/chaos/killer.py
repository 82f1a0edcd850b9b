"""The killer: SIGKILL by process id, at random but repeatable, and a note of what each victim had in its hands."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import psutil
import psycopg2

from tests.chaos.deployment import Deployment
from tests.chaos.kill_judge import objections, stalled, unexplained

# Read after the kill: the victim commits nothing any more, so what it has started will never be recorded by it.
HELD_SQL = """
    SELECT d.id, d.address, d.position <= c.started_upto FROM carillon_claim c
    JOIN carillon_delivery d ON d.claim_id = c.id AND d.state = 'sending'
    WHERE split_part(c.worker, ':', 2)::int = ANY(%s)
"""
# What a sweeper took from whom it thought dead; only a worker that was too slow may have it without a kill.
DOUBTED_SQL = """
    SELECT DISTINCT delivery_id::text FROM carillon_deliveryevent WHERE state = 'uncertain' AND detail = 'lease expired'
"""
SENDERS_SQL = """
    SELECT DISTINCT split_part(c.worker, ':', 2)::int FROM carillon_claim c
    WHERE c.started_upto > 0 AND c.lease_expires_at > clock_timestamp()
      AND EXISTS (SELECT 1 FROM carillon_delivery d WHERE d.claim_id = c.id AND d.state = 'sending')
"""
LEADER_SQL = "SELECT split_part(holder, ':', 2)::int FROM carillon_lease WHERE name = 'sweeper'"
_COMMIT_SECONDS = 0.03
_READ_SECONDS = 2.0
# Where nothing moves any more, a kill may as well be what gets it going.
_STANDSTILL_SECONDS = 10.0


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: of what, when (wall clock), and which sends were started and unrecorded by then."""

    kind: str
    pid: int
    at: float
    held: Sequence[tuple[UUID, str]] = ()
    unstarted: Sequence[tuple[UUID, str]] = ()
    pids: Sequence[int] = ()
    unread: bool = False
    """Whether PostgreSQL could not be asked what the victim held."""


class Killer(threading.Thread):
    """Kills every now and then until it has done its share.

    `every` is seconds on average, or, with `progress`, how much of that goes by between two kills: a machine that is
    slow to start what was killed is then given the time, and a fast one none to spare. The first victims are each of
    another kind, so that no kind is left out by chance.
    """

    def __init__(
        self,
        deployment: Deployment,
        draw: random.Random,
        *,
        kills: int,
        every: float,
        kinds: Mapping[str, int],
        progress: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(name="chaos-killer", daemon=True)
        self.deployment = deployment
        self.kills: list[Kill] = []
        self._draw, self._most, self._every = draw, kills, every
        self._kinds, self._progress = dict(kinds), progress
        self._over = threading.Event()

    def run(self) -> None:
        """Kill one after the other."""
        while len(self.kills) < self._most and not self._over.is_set():
            if not self._pause():
                return
            kill, deadline = None, time.monotonic() + _STANDSTILL_SECONDS
            while kill is None and not self._over.wait(0.02):
                if time.monotonic() > deadline:
                    return  # nothing to kill any more: too few, and `objections` says so
                kill = self.strike(self._kind())
            self.kills += [kill] if kill else []

    def _kind(self) -> str:
        """Draw a kind, of those that were never killed as long as there are any."""
        struck = {kill.kind for kill in self.kills}
        kinds = {kind: weight for kind, weight in self._kinds.items() if kind not in struck} or self._kinds
        return self._draw.choices(list(kinds), list(kinds.values()))[0]

    def _pause(self) -> bool:
        """Wait until the next kill is due; return False when there is to be none."""
        lasting = min(self._draw.expovariate(1 / self._every), 4 * self._every)
        if self._progress is None:
            return not self._over.wait(lasting)
        wanted, deadline = self._progress() + lasting, time.monotonic() + _STANDSTILL_SECONDS
        while self._progress() < wanted and time.monotonic() < deadline:
            if self._over.wait(0.05):
                return False
        return True

    def end(self) -> None:
        """Kill nothing more."""
        self._over.set()
        self.join()

    def strike(self, kind: str) -> Kill | None:
        """Kill one process of a kind; None if there is none just now."""
        victims: Callable[[], list[int]] = getattr(self, f"_{kind}")
        pids = self._soon(victims) if kind in ("horse", "sender") else victims()
        at = time.time()
        dead = [pid for pid in pids if _kill(pid)]
        if not dead:
            return None
        time.sleep(_COMMIT_SECONDS)
        read = self._claimed(dead)
        rows = read or ()
        held = [(key, to) for key, to, started in rows if started]
        unstarted = [(key, to) for key, to, started in rows if not started]
        return Kill(kind, dead[0], at, held, unstarted, dead, unread=read is None)

    def objections(self, others: Sequence[Kill] = ()) -> list[str]:
        """Return what is wrong with the run's kills, these and others; the deployment must still be there."""
        kills = [*self.kills, *others]
        killed = {pid for kill in kills for pid in kill.pids}
        logs = (path.read_text(errors="replace") for path in self.deployment.stack.folder.glob("*.log"))
        repeats = unexplained(
            (row.delivery for row in self.deployment.accepted()),
            {str(key) for kill in kills for key, _ in kill.held},
            {key for (key,) in self.deployment.database.rows(DOUBTED_SQL)},
            stalled(logs, killed),
        )
        return objections(
            struck=Counter(kill.kind for kill in kills),
            kinds=self._kinds,
            wanted=self._most,
            unread=sum(kill.unread for kill in kills),
            repeats=repeats,
        )

    def summary(self) -> dict[str, object]:
        """Return how many of each kind died, and how many sends they had in their hands."""
        kinds = Counter(kill.kind for kill in self.kills)
        holding = Counter(kill.kind for kill in self.kills if kill.held)
        return {
            "sigkills": len(self.kills),
            "by_kind": dict(kinds),
            "with_sends_in_flight": dict(holding),
            "started_and_unrecorded": self.bound,
            "started_and_unrecorded_sql": " ".join(HELD_SQL.split()),
        }

    @property
    def bound(self) -> int:
        """How many sends were started and unrecorded, summed over the kills."""
        return sum(len(kill.held) for kill in self.kills)

    def _claimed(self, pids: list[int]) -> Sequence[tuple[UUID, str, bool]] | None:
        deadline = time.monotonic() + _READ_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg2.Error):
                return [(key, to, started) for key, to, started in self.deployment.database.rows(HELD_SQL, pids)]
            time.sleep(0.05)
        return None

    def _soon(self, find: Callable[[], list[int]]) -> list[int]:
        """Wait for a moment for a process that lives only while there is work."""
        deadline = time.monotonic() + 1.0
        while not (found := find()) and time.monotonic() < deadline and not self._over.is_set():
            time.sleep(0.01)
        return found

    def _names(self, prefix: str) -> list[str]:
        return [name for name in self.deployment.stack.processes if name.startswith(prefix)]

    def _worker(self) -> list[int]:
        names = self._names("worker")
        return self.deployment.pids_of(self._draw.choice(names)) if names else []

    def _sender(self) -> list[int]:
        """Return a worker that is sending at this very moment."""
        with contextlib.suppress(psycopg2.Error):
            senders = {pid for (pid,) in self.deployment.database.rows(SENDERS_SQL)}
            alive = [pids for name in self._names("worker") if senders & set(pids := self.deployment.pids_of(name))]
            return self._draw.choice(alive) if alive else []
        return []

    def _leader(self) -> list[int]:
        with contextlib.suppress(psycopg2.Error):
            leader = self.deployment.database.value(LEADER_SQL)
            alive = [pids for name in self._names("worker") if (pids := self.deployment.pids_of(name))]
            return next((pids for pids in alive if leader in pids), [])
        return []

    def _web_worker(self) -> list[int]:
        pids = self.deployment.pids_of("web")[1:]
        return [self._draw.choice(pids)] if pids else []

    def _web_master(self) -> list[int]:
        return self.deployment.pids_of("web")[:1]

    def _horse(self) -> list[int]:
        for name in self._draw.sample(names := self._names("forking"), len(names)):
            if pids := self.deployment.pids_of(name)[1:]:
                return pids[:1]
        return []

    def _parent(self) -> list[int]:
        names = self._names("forking")
        return self.deployment.pids_of(self._draw.choice(names))[:1] if names else []

    def _whole(self) -> list[int]:
        names = self._names("forking")
        return self.deployment.pids_of(self._draw.choice(names)) if names else []


def _kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            os.kill(pid, signal.SIGKILL)
            return True
    return False
