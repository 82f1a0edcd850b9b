"""One RQ job for each recipient, on SimpleWorkers (no fork): `python -m tests.benchmarks.rivals.rq_jobs` is a worker.

Jobs leave no result and are enqueued in pipelines of a thousand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from tests.benchmarks.rivals.sending import send

PIPELINE = 1_000


def queue(redis: Redis) -> Queue:
    """Return the queue."""
    return Queue("bench-rival", connection=redis, serializer=JSONSerializer)


def enqueue(redis: Redis, numbers: Iterable[int]) -> None:
    """Enqueue a job for each."""
    made = queue(redis)
    prepared = [
        Queue.prepare_data(send, args=(number,), result_ttl=0, failure_ttl=60, description="push") for number in numbers
    ]
    for start in range(0, len(prepared), PIPELINE):
        made.enqueue_many(prepared[start : start + PIPELINE])


if __name__ == "__main__":
    connection = Redis.from_url(os.environ["RIVAL_REDIS_URL"])
    SimpleWorker([queue(connection)], connection=connection, serializer=JSONSerializer).work(logging_level="ERROR")
