"""One Celery task for each recipient: `celery -A tests.benchmarks.rivals.celery_tasks worker -c 2`.

`python -m tests.benchmarks.rivals.celery_tasks FIRST COUNT` sends the tasks.
No results, no heartbeats among workers, and messages fetched well ahead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from celery import Celery

from tests.benchmarks.rivals.sending import send

app = Celery("bench-rival", broker=os.environ.get("RIVAL_REDIS_URL", "memory://"))
app.conf.update(
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench.push", ignore_result=True)
def push(number: int) -> None:
    """Send one message."""
    send(number)


def enqueue(numbers: Iterable[int]) -> None:
    """Send a task for each over one connection."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in numbers:
            push.apply_async((number,), producer=producer)


if __name__ == "__main__":
    begin, many = map(int, sys.argv[1:])
    enqueue(range(begin, begin + many))
