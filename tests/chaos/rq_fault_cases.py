"""Runs inside a deployment: brings each fault of RQ's about, shows that it fired, and lets healthy workers go on.

    python -m tests.chaos.rq_fault_cases '{"answer": ..., "file": ..., "sandbox": ..., "messages": 20}'

Faults are brought about in forked processes from outside the product: RQ's own methods are wrapped there.
"""

# ruff: noqa: I001 - Django has to be set up before anything of it is imported
from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.inside import SandboxFile, ended, fork, patient_redis, shorten_waits  # it sets Django up

import django_rq
import psutil
import redis.connection
from django.db import connection, transaction
from redis.exceptions import ReadOnlyError
from rq import Queue, Retry
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import Worker

from notifications import Address, conf, notify, workers
from notifications.enums import OPEN_STATES, State
from notifications.models import Delivery
from notifications.sandbox.client import SandboxClient
from notifications.wakeups import DRAIN_JOB, wake

LEASE = 20.0  # longer than the slowest send here, as a real one is
PATIENCE_SECONDS = 60.0
RQ_WAITS = 60.0
"""RQ leaves a job in its intermediate queue for a minute at least before it looks at it again."""


class Cases:
    """One deployment in which one fault after another is brought about."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._messages: int = order["messages"]
        self._sandbox = SandboxFile(Path(order["file"]))
        self._client = SandboxClient(order["sandbox"])
        self._performed = Path(order["answer"]).with_name("performed.log")
        self._phone = 0
        self._redis = patient_redis()
        _count_performances(self._performed)

    @property
    def redis(self) -> Any:
        """Redis."""
        return self._redis

    def queue(self, name: str = "sms") -> Queue:
        """Return one of the queues."""
        return django_rq.get_queue(name, serializer=JSONSerializer)

    def ask(self) -> set[UUID]:
        """Ask for messages, in one transaction, and return their deliveries."""
        with transaction.atomic():
            asked = [self._ask_one() for _ in range(self._messages)]
        return set(Delivery.objects.filter(notification_id__in=asked).values_list("pk", flat=True))

    def _ask_one(self) -> UUID:
        self._phone += 1
        return notify(Address(sms=f"+491511{self._phone:07d}"), "login-code", {"code": "493021"}).pk

    def performed(self) -> Counter[str]:
        """Return how often each job was performed."""
        return Counter(self._performed.read_text().split()) if self._performed.exists() else Counter()

    def play(self, fault: Callable[[Cases], dict[str, Any]]) -> dict[str, Any]:
        """Bring one fault about in a clean Redis, and judge what the provider took."""
        self.redis.flushdb()
        self._performed.unlink(missing_ok=True)
        self._sandbox.new_lines()
        found = fault(self)
        found["healed_s"] = round(self._wait_until_final(), 2)
        accepts = Counter(UUID(line.delivery or "") for line in self._sandbox.new_lines())
        asked: set[UUID] = found.pop("asked")
        flagged = Delivery.objects.filter(pk__in=asked, possible_duplicate=True).count()
        return found | {
            "asked": len(asked),
            "accepted": sum(accepts.values()),
            "accepted twice": sum(times > 1 for times in accepts.values()),
            "lost": len(asked - set(accepts)),
            "not asked for": len(set(accepts) - asked),
            "possible duplicates": flagged,
        }

    @staticmethod
    def _wait_until_final() -> float:
        began = time.monotonic()
        with healthy_workers(1):
            while Delivery.objects.filter(state__in=OPEN_STATES).exists():
                if time.monotonic() - began > PATIENCE_SECONDS:
                    break
                time.sleep(0.02)
            took = time.monotonic() - began
            time.sleep(0.3)  # whoever would send once more has the time to
        return took

    def slow_provider(self, seconds: float) -> None:
        """Let the provider take its time to answer."""
        self._client.fault("twilio", "slow", delay=seconds)

    def well_provider(self) -> None:
        """Let it answer at once."""
        self._client.reset()


@contextmanager
def healthy_workers(count: int) -> Any:
    """Have workers with their sweepers for a while, then stop them as an operator does."""
    pids = [fork(lambda: _work(workers.ChannelWorker, "sms")) for _ in range(count)]
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        for pid in pids:
            ended(pid)


def _work(kind: type[Worker], *names: str, burst: bool = False) -> None:
    queues = [django_rq.get_queue(name, serializer=JSONSerializer) for name in names]
    made = kind(queues, connection=queues[0].connection, serializer=JSONSerializer)
    made.work(burst=burst, logging_level="ERROR")


def _count_performances(path: Path) -> None:
    plain = Job.perform

    def perform(self: Job) -> Any:
        result = plain(self)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{self.id}\n".encode())
        os.close(descriptor)
        return result

    Job.perform = perform  # type: ignore[method-assign]


def _die_after_pop(name: str) -> None:
    """Make this process die as soon as RQ's pop of that name has brought a job."""
    plain = getattr(Queue, name)

    def popped(*args: Any, **options: Any) -> Any:
        result = plain(*args, **options)
        if result is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Queue, name, staticmethod(popped))


def _doomed(pop: str, *names: str) -> int:
    def work() -> None:
        _die_after_pop(pop)
        workers.Sweeper = _NoSweeper  # type: ignore[assignment,misc]
        _work(workers.ChannelWorker, *names)

    return ended(fork(work))


class _NoSweeper:
    def __init__(self, holder: str) -> None:
        """Do nothing with the holder."""

    def start(self) -> None:
        """Do nothing."""

    def join(self, timeout: float | None = None) -> None:
        """Do nothing."""


# --- The faults -----------------------------------------------------------------------------------------------------
def popped_and_lost(cases: Cases) -> dict[str, Any]:
    """Two queues: a pop is BLPOP, and a worker that dies just after it takes the job with it."""
    asked = cases.ask()
    (job_id,) = cases.queue().job_ids
    status = _doomed("lpop", "push", "sms")
    queue = cases.queue()
    nowhere = (
        job_id not in queue.job_ids
        and job_id not in queue.intermediate_queue.get_job_ids()
        and job_id not in StartedJobRegistry(queue=queue).get_job_ids(cleanup=False)
    )
    return {"asked": asked, "fired": status == -signal.SIGKILL and nowhere and queue.fetch_job(job_id) is not None}


def popped_and_waiting(cases: Cases) -> dict[str, Any]:
    """One queue: the job of a worker that died after its pop waits for RQ's maintenance."""
    asked = cases.ask()
    (job_id,) = cases.queue().job_ids
    status = _doomed("lmove", "sms")
    queue = cases.queue()
    waits = job_id in queue.intermediate_queue.get_job_ids() and job_id not in queue.job_ids
    began = time.monotonic()
    took = cases._wait_until_final()
    still = job_id in queue.intermediate_queue.get_job_ids()
    return {
        "asked": asked,
        "fired": status == -signal.SIGKILL and waits and still,
        "final after_s": round(took, 2),
        "RQ would have waited_s": RQ_WAITS,
        "before RQ moved": still and time.monotonic() - began < RQ_WAITS,
    }


def parent_killed(cases: Cases) -> dict[str, Any]:
    """RQ's forking worker: its parent alone is killed, the work-horse sends on while the job is queued again."""
    cases.slow_provider(3.0)
    parent = fork(lambda: _work(Worker, "sms"))
    asked = cases.ask()
    _until(lambda: Delivery.objects.filter(pk__in=asked, state=State.SENDING).count() == len(asked), "the sends")
    (horse,) = psutil.Process(parent).children()
    os.kill(parent, signal.SIGKILL)
    ended(parent)
    queue = cases.queue()
    registry = StartedJobRegistry(queue=queue)
    (job_id,) = registry.get_job_ids(cleanup=False)
    registry.cleanup(timestamp=time.time() + 86_400)  # what RQ's maintenance does once it misses the parent
    FailedJobRegistry(queue=queue).requeue(job_id)
    fired = (
        horse.is_running()
        and job_id in queue.job_ids
        and Delivery.objects.filter(pk__in=asked, state=State.SENDING).exists()
    )
    with healthy_workers(1):
        _until(lambda: cases.performed()[job_id] >= 1, "the job's second run")
        beside = horse.is_running() and horse.status() != psutil.STATUS_ZOMBIE
        _until(lambda: not horse.is_running() or horse.status() == psutil.STATUS_ZOMBIE, "the work-horse's end")
    cases.well_provider()
    return {"asked": asked, "fired": fired and beside}


def failed_after_the_work(cases: Cases) -> dict[str, Any]:
    """Redis fails over just after the work: RQ takes the finished job for failed, and runs it again."""
    asked = cases.ask()
    cases.redis.flushdb()
    options = {"args": ("sms",), "timeout": 60, "result_ttl": 60, "retry": Retry(max=1)}
    job = cases.queue().enqueue_call(DRAIN_JOB, **options)

    def work() -> None:
        _fail_once_after_perform()
        workers.Sweeper = _NoSweeper  # type: ignore[assignment,misc]
        _work(workers.ChannelWorker, "sms", burst=True)

    ended(fork(work))
    return {"asked": asked, "fired": cases.performed()[job.id] == 2, "runs": cases.performed()[job.id]}


def _fail_once_after_perform() -> None:
    owner, finished, failed = redis.connection.AbstractConnection, [], []
    perform, send = Job.perform, owner.send_packed_command

    def performing(self: Job) -> Any:
        result = perform(self)
        finished.append(self.id)
        return result

    def sending(self: Any, *args: Any, **options: Any) -> Any:
        if finished and not failed:
            failed.append(True)
            raise ReadOnlyError("You can't write against a read only replica.")
        return send(self, *args, **options)

    Job.perform = performing  # type: ignore[method-assign]
    owner.send_packed_command = sending  # type: ignore[method-assign]


def repeated(cases: Cases) -> dict[str, Any]:
    """The same job is in the queue many times over, and others like it, with several workers at once."""
    asked = cases.ask()
    queue = cases.queue()
    (job_id,) = queue.job_ids
    cases.redis.rpush(queue.key, *[job_id] * 20)
    for _ in range(20):
        wake("sms", force=True)
    with healthy_workers(3):
        _until(lambda: queue.count == 0, "an empty queue")
        _until(lambda: not Delivery.objects.filter(pk__in=asked, state__in=OPEN_STATES).exists(), "the sends")
    runs = cases.performed()
    return {"asked": asked, "fired": runs[job_id] > 1 and len(runs) > 10, "runs of one job": runs[job_id]}


def rolled_back(cases: Cases) -> dict[str, Any]:
    """A job is queued inside a transaction that rolls back: RQ runs it all the same."""
    queue = cases.queue()
    connection.set_autocommit(False)
    try:
        cases._ask_one()
        job = queue.enqueue_call(DRAIN_JOB, args=("sms",), timeout=60, result_ttl=60)
        queued = job.id in queue.job_ids
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    with healthy_workers(1):
        _until(lambda: cases.performed()[job.id] >= 1, "the job of what never was")
    return {"asked": set(), "fired": queued and cases.performed()[job.id] == 1}


def before_the_commit(cases: Cases) -> dict[str, Any]:
    """A job runs before the transaction that queued it commits, and there is no other wake-up."""
    queue = cases.queue()
    connection.set_autocommit(False)
    try:
        notification = cases._ask_one()
        job = queue.enqueue_call(DRAIN_JOB, args=("sms",), timeout=60, result_ttl=60)
        with healthy_workers(1):
            _until(lambda: cases.performed()[job.id] >= 1, "the job that came too early")
        connection.commit()
    finally:
        connection.set_autocommit(True)
    cases.redis.flushdb()
    asked = set(Delivery.objects.filter(notification_id=notification).values_list("pk", flat=True))
    early = cases.performed()[job.id] == 1 and not cases._sandbox.new_lines()
    return {"asked": asked, "fired": early}


def _until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.01)


FAULTS = {
    "BLPOP of two queues: a worker dies just after it": popped_and_lost,
    "one queue: a dead worker's job waits for maintenance": popped_and_waiting,
    "forking worker: only the parent is killed": parent_killed,
    "Redis error after the work: job failed and run again": failed_after_the_work,
    "the same job and others like it, many times": repeated,
    "job queued in a transaction that rolls back": rolled_back,
    "job runs before its transaction commits": before_the_commit,
}


def main(order: dict[str, Any]) -> None:
    """Bring all of them about and write down what came of it."""
    shorten_waits(LEASE, 0.2)
    conf.SWEEPER_LEASE_SECONDS = 1
    cases = Cases(order)
    found = {name: cases.play(fault) for name, fault in FAULTS.items()}
    Path(order["answer"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
