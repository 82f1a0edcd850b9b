"""A deployment over the dataset, and what scenarios do with it: launch a broadcast and wait for its last record."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from redis import Redis

from tests.benchmarks import expected
from tests.benchmarks.judging import Exactness, compare, rate
from tests.benchmarks.sink import Sink
from tests.benchmarks.stack import BenchStack
from tests.benchmarks.usage import Usage
from tests.ground.database import Database
from tests.ground.figures import FellShort, Run
from tests.ground.services import SECRET_KEY, Ground

SETTINGS = "tests.benchmarks.settings"
PROVIDERS = {"push": "fcm", "sms": "twilio", "email": "postmark"}
#: Nothing taken for this long, while something is due: it fell short.
PATIENCE_SECONDS = 60.0
UNRECORDED_SQL = (
    "SELECT count(*) FROM carillon_delivery WHERE notification_id = %s "
    "AND (state IN ('sending', 'uncertain') OR (state = 'pending' AND due_at <= now()))"
)
STATES_SQL = (
    "SELECT state, reason, count(*) FROM carillon_delivery WHERE notification_id = %s GROUP BY 1, 2 ORDER BY 3 DESC"
)


@dataclass(frozen=True)
class Sent:
    """What became of one broadcast: seconds count from the moment before the request was sent."""

    id: str
    notification: str
    due: int
    accepted: int
    answered_s: float
    first_s: float
    last_s: float
    recorded_s: float
    steady_per_s: float
    """From the first message that the sink took to the last."""
    cpu: Mapping[str, float]
    exactness: Exactness | None = None
    usage: Usage | None = field(default=None, repr=False)

    @property
    def per_s(self) -> float:
        """Recipients per second, from the request until every row was recorded."""
        return self.accepted / self.recorded_s

    def detail(self) -> dict[str, object]:
        """Return the raw counts."""
        return {
            "due": self.due,
            "accepted_by_sink": self.accepted,
            "request_answered_after_s": round(self.answered_s, 3),
            "first_taken_after_s": round(self.first_s, 2),
            "last_taken_after_s": round(self.last_s, 2),
            "all_recorded_after_s": round(self.recorded_s, 2),
            "per_s_first_to_last_taken": round(self.steady_per_s, 1),
            "cpu_seconds": dict(self.cpu),
            "sink_busy_share_of_a_core": round(self.cpu.get("sink", 0.0) / self.recorded_s, 2),
        }


class Bench:
    """Database, sink and stack of one scenario; as a context manager it stops them all at the end."""

    def __init__(self, run: Run, people: int, sizes: list[int] | None = None, env: Mapping[str, str] | None = None):
        self.run = run
        self.people = people
        self.sizes = sorted({people, *(sizes or [])})
        self._env = {"DJANGO_SETTINGS_MODULE": SETTINGS, "DJANGO_SECRET_KEY": SECRET_KEY, **(env or {})}
        self.key = ""

    def __enter__(self) -> Self:
        """Make database and people, start the sink; web and workers are started by the scenario."""
        self.ground = Ground.at(self.run.folder.parent, SETTINGS)
        self.url = self.ground.new_database()
        self.database = Database(self.url)
        self.sink = Sink(self.run.folder / "sink")
        self.sink.__enter__()
        self.stack = self.new_stack("stack")
        self.stack.__enter__()
        began = time.monotonic()
        self.inside("people", str(self.people), json.dumps(self.sizes), str(self.run.seed))
        self.seeded_s = round(time.monotonic() - began, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything and drop the database."""
        self.stack.__exit__(kind, error, trace)
        self.sink.__exit__(kind, error, trace)
        self.database.close()
        self.ground.drop(self.url)
        self.ground.__exit__(kind, error, trace)

    def new_stack(self, name: str, *, slow: bool = False, env: Mapping[str, str] | None = None) -> BenchStack:
        """Return a stack over this database and sink, not yet entered."""
        return BenchStack(
            self.run.folder / name,
            self.url,
            self.ground.services.redis_url,
            extra_env={**self._env, **(env or {})},
            sink=self.sink,
            slow=slow,
        )

    def begin(self, workers: int = 2) -> None:
        """Start web and workers and get an API key; all of them at the same time."""
        self.stack.start_workers(workers)
        self.stack.start_web()
        self.make_key()
        self.begin_workers(0)

    def begin_workers(self, count: int) -> None:
        """Start so many more workers and wait until all are up."""
        self.stack.start_workers(count)
        wait_for_workers(self.ground.services.redis_url, len(self.stack.worker_names))

    def make_key(self) -> None:
        """Get an API key."""
        scopes = [word for scope in ("send", "broadcast", "read") for word in ("--scope", scope)]
        self.key = self.stack.manage("carillon", "api-key", "create", "bench", *scopes).split()[-1]

    def inside(self, *command: str) -> str:
        """Run one of the host's commands to its end and return what it printed."""
        return self.stack.run("-m", "tests.benchmarks.inside", *command).strip()

    def parts(self) -> dict[str, list[int | None]]:
        """Return whose CPU time is whose."""
        web = self.stack.processes.get("web")
        services = self.ground.services
        return {
            "workers": [*self.stack.worker_pids],
            "web": [web.pid if web else None],
            "postgresql": [services.postgres_pid],
            "valkey": [services.valkey_pid],
            "sink": [*self.sink.pids],
        }

    def usage(self) -> Usage:
        """Return a sampler of this deployment."""
        return Usage(self.parts, self.ground.services.redis_url)

    def send(self, size: int, *, channel: str = "push", exact: bool = False) -> Sent:
        """Broadcast to the followers of the author who has so many, and wait until every row is recorded."""
        provider = PROVIDERS[channel]
        due = expected.due_how_many(self.database, size, channel)
        place, before = self.sink.log.end(), self.sink.log.count(provider)
        with self.usage() as usage:
            began_at, began = time.time(), time.monotonic()
            made = self.post("broadcasts/", body_of(size, channel), f"bench-{size}-{began_at}")
            answered = time.monotonic() - began
            self._await_taken(provider, before, due)
            notification = self.notification_of(made["id"])
            while int(self.database.value(UNRECORDED_SQL, notification)):
                time.sleep(0.05)
            recorded = time.monotonic() - began
        self.sink.settle()
        # By the log's own clock; the sink writes it in groups, so it is read when all is in it.
        taken = [(one.at, one.to) for one in self.sink.log.since(place, provider)]
        moments = [at for at, _ in taken]
        return Sent(
            id=str(made["id"]),
            notification=notification,
            due=due,
            accepted=len(taken),
            answered_s=answered,
            first_s=min(moments, default=began_at) - began_at,
            last_s=max(moments, default=began_at) - began_at,
            recorded_s=recorded,
            steady_per_s=rate(moments),
            cpu=usage.cpu,
            exactness=compare(expected.due(self.database, size, channel), (to for _, to in taken)) if exact else None,
            usage=usage,
        )

    def post(self, path: str, body: Mapping[str, object], key: str) -> dict[str, Any]:
        """POST to the API and return the answer."""
        request = urllib.request.Request(
            f"{self.stack.url}/api/v1/{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Api-Key {self.key}",
                "Idempotency-Key": key,
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(io.TextIOWrapper(answer)))

    def _await_taken(self, provider: str, before: int, due: int) -> None:
        last, since = 0, time.monotonic()
        while (count := self.sink.log.count(provider) - before) < due:
            if count != last:
                last, since = count, time.monotonic()
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise FellShort(f"{count} of {due} were taken, and for {PATIENCE_SECONDS:.0f} s no more")
            time.sleep(0.02 if due < 50_000 else 0.2)

    def notification_of(self, broadcast: str) -> str:
        """Return the notification of a broadcast."""
        return str(self.database.value("SELECT notification_id FROM carillon_broadcast WHERE id = %s", broadcast))

    def states(self, notification: str) -> list[list[object]]:
        """Return how many deliveries of a notification are in which state, and why."""
        return [list(row) for row in self.database.rows(STATES_SQL, notification)]


def body_of(size: int, channel: str) -> dict[str, object]:
    """Return the body of `POST broadcasts/`."""
    return {
        "audience": {"name": "bench_followers", "params": {"author_id": size}},
        "template": "bench-post" if channel == "push" else "bench-letter",
        "data": {"title": "Bells"},
    }


def wait_for_workers(redis_url: str, count: int, seconds: float = 60.0) -> None:
    """Wait until so many workers have registered.

    Raises:
        FellShort: they did not come up.
    """
    deadline = time.monotonic() + seconds
    with Redis.from_url(redis_url) as redis:
        while int(redis.scard("rq:workers")) < count:
            if time.monotonic() > deadline:
                raise FellShort(f"{count} workers did not come up in {seconds:.0f} s")
            time.sleep(0.05)
