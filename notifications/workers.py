"""The worker class for `manage.py rqworker push sms email`: serves channels in turn, and stands by as sweeper."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from django.db import Error, OperationalError, ProgrammingError, connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import now
from rq.worker import DequeueStrategy, SimpleWorker

from . import conf, jobs
from .checks.database import first_line
from .enums import Channel
from .flows.stopping import stopping
from .flows.sweep import resign, sweep
from .models.deadlines import set_deadlines
from .rules.masking import unquoted
from .wakeups import beat, leave, unreached

logger = logging.getLogger("notifications.workers")
#: https://man7.org/linux/man-pages/man7/sched.7.html, "The autogroup feature"
AUTOGROUP = Path("/proc/self/autogroup")
_POP_SECONDS = 5
_REDIS_REST_SECONDS = 1.0
_BEAT_SECONDS = 10.0
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
# Queues in turn; and nothing that a user would miss is left to RQ's scheduler.
_OURS = {"dequeue_strategy": DequeueStrategy.ROUND_ROBIN, "with_scheduler": False}


class NoDeathPenalty(BaseDeathPenalty):
    """A job is never interrupted from outside: its time box ends it, and every send and statement has a deadline."""

    def setup_death_penalty(self) -> None:
        """Do nothing."""

    def cancel_death_penalty(self) -> None:
        """Do nothing."""


class ChannelWorker(SimpleWorker):
    """RQ's worker with the JSON serializer, no fork per job and rotating queues.

    RQ's own order would starve the later queues. Losing Redis does not end it: what is due stays due in PostgreSQL.
    """

    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 4.0
    log_result_lifespan = False
    log_job_description = False

    def __init__(self, queues: Sequence[Queue], **options: Any) -> None:  # RQ's own options, of many types
        # rqworker ignores a queue's own serializer and would fail on every job.
        try:
            super().__init__(queues, **{**options, "serializer": JSONSerializer})
        except RedisError as error:
            what, cure = unreached(queues[0].connection, queues[0].name, error)
            # rqworker prints a ConnectionError and ends with 1; any other one would be a traceback.
            raise RedisConnectionError(f"A worker needs Redis to start: {what}.\n{error}\nCure: {cure}.") from error
        jobs.served[:] = [Channel(queue.name) for queue in self.queues if queue.name in Channel.values]

    @property
    def dequeue_timeout(self) -> int:
        """Seconds that a pop may block: short, so that a Redis that went away silently is noticed."""
        return _POP_SECONDS

    def work(  # type: ignore[override]  # the rest of RQ's eight parameters are handed on
        self,
        burst: bool = False,  # noqa: FBT001, FBT002 - RQ's own signature
        logging_level: str | None = None,
        **options: Any,
    ) -> bool:
        """Work until stopped; an error of Redis between jobs begins anew under another name instead of quitting."""
        if logging_level == "INFO":
            # RQ logs four lines a job; a wake-up is no event. `-v 2` shows them.
            logging_level = "WARNING"
        # On stderr, since a project without logging of its own would show nothing at all.
        sys.stderr.write(f"Carillon worker {jobs.worker_name()} serves {', '.join(jobs.served)}. Ctrl-C stops it.\n")
        set_deadlines()
        if not burst:  # as tests and schedulers do within a process of their own, which would stay nice
            give_way(conf.get().worker_nice)
        spare_collections()
        sweeper = Sweeper(jobs.worker_name())
        sweeper.start()
        try:
            while True:
                try:
                    worked = super().work(burst, logging_level, **{**options, **_OURS})
                except RedisError as error:
                    logger.warning("Redis is away: %s", type(error).__name__)
                    worked = False
                if burst or stopping.is_set() or options.get("max_jobs") or options.get("max_idle_time"):
                    return worked
                stopping.wait(_REDIS_REST_SECONDS)
                self.name = uuid.uuid4().hex
        finally:
            stopping.set()
            sweeper.join(timeout=conf.SWEEPER_LEASE_SECONDS)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Let what is in flight finish, start nothing more."""
        stopping.set()
        try:
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]
        except RedisError:
            # It wanted to note the time in Redis; the stop itself has been asked for.
            logger.warning("stopping without Redis")

    def run_maintenance_tasks(self) -> None:
        """Run RQ's own clean-up at its interval; RQ would run it before every single job."""
        last: datetime | None = self.last_cleaned_at  # RQ's annotation lacks the time
        if last is None or now() - last > timedelta(seconds=self.maintenance_interval):
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]


def give_way(nice: int) -> None:
    """Let whoever answers people on this machine have the processor first: web processes, PostgreSQL.

    A worker that was started with a niceness of its own keeps it. Linux weighs sessions against each other before it
    looks at processes (autogroups), so that a worker that leads a session, as services do, makes that nice as well; one
    that was started in somebody's shell leaves the shell's session alone.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) != 0:
        return
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # not Linux, or built without
            AUTOGROUP.write_text(str(nice))


def spare_collections() -> None:
    """Let the garbage collector look less often, and no more at what was there before any work (modules, models).

    A worker makes objects by the hundred thousand, hardly any in cycles: looking for those took a tenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 50)


class Sweeper(threading.Thread):
    """Stands by in every worker: whoever holds the lease repairs what is due, lost or stuck, every two seconds."""

    def __init__(self, holder: str) -> None:
        super().__init__(name="carillon-sweeper", daemon=True)
        self.holder = holder
        self._told_at = float("-inf")

    def run(self) -> None:
        """Sweep until the process is asked to stop."""
        while not stopping.is_set():
            began = time.monotonic()
            self._beat(began)
            try:
                sweep(self.holder)
            except ProgrammingError as error:
                text = first_line(error)
                logger.error("sweep: the tables are not as they should be (%s): run `manage.py migrate`", text)  # noqa: TRY400
                connection.close()
            except Error as error:
                # Only what is told of the connection itself: any other complaint may quote a row.
                text = first_line(error) if isinstance(error, OperationalError) else type(error).__name__
                logger.warning("sweep: the database is away: %s (`manage.py carillon doctor` tells more)", text)
                connection.close()
            except Exception as error:
                logger.exception("sweep failed; it tries again", exc_info=unquoted(error))
            stopping.wait(max(0.1, conf.SWEEP_SECONDS - (time.monotonic() - began)))
        # Else the lease ends by itself.
        with contextlib.suppress(Error):
            resign(self.holder)
        connection.close()
        leave(jobs.served, self.holder)

    def _beat(self, now: float) -> None:
        """Let probes and metrics know now and then that this worker is there."""
        if now - self._told_at >= _BEAT_SECONDS:
            self._told_at = now
            beat(jobs.served, self.holder)
