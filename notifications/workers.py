"""The worker class for `manage.py rqworker push sms email`: serves channels in turn, and stands by as sweeper."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from datetime import timedelta
from types import FrameType

from django.db import Error, connection
from redis.exceptions import RedisError
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.utils import now
from rq.worker import DequeueStrategy, SimpleWorker

from . import conf, jobs
from .enums import Channel
from .flows.drain import stopping
from .flows.sweep import sweep

logger = logging.getLogger("notifications.workers")
_POP_SECONDS = 5
_REDIS_REST_SECONDS = 1.0


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

    def __init__(self, *args: object, **options: object) -> None:
        # rqworker ignores a queue's own serializer and would fail on every job.
        super().__init__(*args, **{**options, "serializer": JSONSerializer})
        jobs.served[:] = [Channel(queue.name) for queue in self.queues if queue.name in Channel.values]

    @property
    def dequeue_timeout(self) -> int:
        """Seconds that a pop may block: short, so that a Redis that went away silently is noticed."""
        return _POP_SECONDS

    def work(
        self,
        burst: bool = False,  # noqa: FBT001, FBT002 - RQ's own signature
        logging_level: str | None = None,
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,  # noqa: FBT001, FBT002
        dequeue_strategy: DequeueStrategy = DequeueStrategy.ROUND_ROBIN,
    ) -> bool:
        """Work until stopped; an error of Redis between jobs begins anew under another name instead of quitting."""
        if logging_level == "INFO":
            # RQ logs four lines a job; a wake-up is no event. `-v 2` shows them.
            logging_level = "WARNING"
        logger.info("%s serves %s", jobs.worker_name(), ", ".join(jobs.served))
        sweeper = Sweeper(jobs.worker_name())
        sweeper.start()
        try:
            while True:
                try:
                    worked = super().work(
                        burst,
                        logging_level,
                        date_format,
                        log_format,
                        max_jobs,
                        max_idle_time,
                        False,  # noqa: FBT003 - nothing a user would miss is left to RQ's scheduler
                        DequeueStrategy.ROUND_ROBIN,
                    )
                except RedisError as error:
                    logger.warning("Redis is away: %s", type(error).__name__)
                    worked = False
                if burst or stopping.is_set() or max_jobs is not None or max_idle_time is not None:
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
            super().request_stop(signum, frame)
        except RedisError:
            # It wanted to note the time in Redis; the stop itself has been asked for.
            logger.warning("stopping without Redis")

    def run_maintenance_tasks(self) -> None:
        """Run RQ's own clean-up at its interval; RQ would run it before every single job."""
        if self.last_cleaned_at is None or now() - self.last_cleaned_at > timedelta(seconds=self.maintenance_interval):
            super().run_maintenance_tasks()


class Sweeper(threading.Thread):
    """Stands by in every worker: whoever holds the lease repairs what is due, lost or stuck, every two seconds."""

    def __init__(self, holder: str) -> None:
        super().__init__(name="carillon-sweeper", daemon=True)
        self.holder = holder

    def run(self) -> None:
        """Sweep until the process is asked to stop."""
        while not stopping.is_set():
            began = time.monotonic()
            try:
                sweep(self.holder)
            except Error as error:
                logger.warning("sweep: the database is away: %s", type(error).__name__)
                connection.close()
            stopping.wait(max(0.1, conf.SWEEP_SECONDS - (time.monotonic() - began)))
        connection.close()
