"""A sender as the textbook has it: a job per message with retries, `SET NX` against doubles, the status afterwards.

Nothing here is made weak on purpose. RQ's own forking worker runs the jobs, a failed job is tried again three times, an
abandoned one is found by RQ's maintenance and tried again, the key that guards against a second copy lives for longer
than a send may take, and it is deleted when a send failed, so that the next try gets through.

`python -m tests.chaos.textbook_sender` is a worker.
"""

from __future__ import annotations

import os

import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials
from redis import Redis
from rq import Queue, Retry
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.worker import Worker

from notifications.sandbox import credentials

QUEUE = "textbook"
SEND_SECONDS = 10
# RQ takes a job for abandoned 60 s after its time-out, and a worker that was killed while it looked for such jobs keeps
# all others from looking for 899 s. A compressed run divides both, and the life of the key with them.
_COMPRESSED = float(os.environ.get("TEXTBOOK_COMPRESSED", "1"))
KEY_SECONDS = 60 / _COMPRESSED
MAINTENANCE_SECONDS = 10 / _COMPRESSED
LOCK_SECONDS = 899


def enqueue(redis: Redis, to: str) -> None:
    """Accept a message: once this returns, the client is told so."""
    redis.hset("status", to, "queued")
    Queue(QUEUE, connection=redis).enqueue(
        send, to, job_id=f"send-{to}", retry=Retry(max=3), job_timeout=SEND_SECONDS, failure_ttl=86_400
    )


def send(to: str) -> None:
    """Send one message, once."""
    redis = Redis.from_url(os.environ["REDIS_URL"])
    key = f"sent:{to}"
    if not redis.set(key, "1", nx=True, px=int(KEY_SECONDS * 1_000)):
        return  # sent already, or being sent
    try:
        # A forked job begins with nothing in hand: a token first, as Google's own library fetches it, then the message.
        google = Credentials.from_service_account_file(os.environ["TEXTBOOK_ACCOUNT"], scopes=[credentials.FCM_SCOPE])
        session = AuthorizedSession(google)
        body = {"message": {"token": to, "notification": {"title": "Hello", "body": "Ada follows you"}}}
        url = f"{os.environ['FCM_BASE_URL']}/v1/projects/{credentials.FCM_PROJECT_ID}/messages:send"
        session.post(url, json=body, timeout=SEND_SECONDS).raise_for_status()
    except (requests.RequestException, GoogleAuthError):
        redis.delete(key)
        raise
    redis.hset("status", to, "sent")


def statuses(redis: Redis) -> dict[str, str]:
    """Return each message's status: queued, sent, or failed where its job failed for good."""
    found = {to.decode(): status.decode() for to, status in redis.hgetall("status").items()}
    failed = FailedJobRegistry(QUEUE, connection=redis)
    return found | {key.removeprefix("send-"): "failed" for key in failed.get_job_ids()}


def unfinished(redis: Redis) -> int:
    """Return how many jobs wait or are said to be running."""
    queue = Queue(QUEUE, connection=redis)
    return len(queue) + len(queue.started_job_registry.get_job_ids(cleanup=False)) + queue.scheduled_job_registry.count


def in_hand(redis: Redis) -> set[str]:
    """Return the messages that RQ may still send or give up: it has a job of theirs that has not ended."""
    queue = Queue(QUEUE, connection=redis)
    jobs = {
        *queue.get_job_ids(),
        *queue.started_job_registry.get_job_ids(cleanup=False),
        *queue.scheduled_job_registry.get_job_ids(cleanup=False),
        *queue.intermediate_queue.get_job_ids(),
    }
    return {key.removeprefix("send-") for key in jobs}


class CompressedQueue(Queue):
    """RQ's queue, whose lock on maintenance outlives a killed worker for as much less as the run is compressed."""

    def acquire_maintenance_lock(self) -> bool:
        """Take RQ's own lock, with its life compressed."""
        life = max(1, round(1_000 * LOCK_SECONDS / _COMPRESSED))
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, px=life))


class CompressedWorker(Worker):
    """RQ's worker, whose clocks for abandoned jobs run as much faster as the run is compressed."""

    queue_class = CompressedQueue

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return RQ's own figure, compressed."""
        return max(1, round(super().get_heartbeat_ttl(job, working_time) / _COMPRESSED))


if __name__ == "__main__":
    connection = Redis.from_url(os.environ["REDIS_URL"])
    # A pop blocks for 15 s less than this; with RQ's own 420 an abandoned job may wait for minutes until one looks.
    worker_ttl = 15 + max(1, round(MAINTENANCE_SECONDS))
    CompressedWorker(
        [QUEUE], connection=connection, maintenance_interval=MAINTENANCE_SECONDS, worker_ttl=worker_ttl
    ).work(logging_level="WARNING")
