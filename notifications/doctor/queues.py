"""Redis: reachable for every channel, of the same time, and with a worker at each queue that has a provider."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from ..checks.base import routed_channels
from ..enums import Channel
from ..wakeups import address_of, connection, live_workers, unreached, waiting
from .database import clocks
from .findings import Finding, error, fine

_WORKER = "manage.py rqworker push sms email"


def examine_queues() -> Iterator[Finding]:
    """Look at the Redis of each channel, once each, and at who serves the channels."""
    seen: dict[str, list[Finding]] = {}
    for channel in Channel:
        try:
            redis = connection(channel)
        except (KeyError, ImproperlyConfigured, ValueError) as found:
            what = f"{channel} has no queue that can be used: {found}"
            yield error(120, "Redis", what, f'RQ_QUEUES["{channel}"] = {{"URL": os.environ["REDIS_URL"]}}')
            continue
        where = address_of(redis)
        if where not in seen:
            seen[where] = list(_look(redis, where, channel))
            yield from seen[where]
        if not any(finding.id for finding in seen[where]):
            yield from _served(channel)


def _look(redis: Redis, where: str, channel: Channel) -> Iterator[Finding]:
    began = time.time()
    try:
        seconds, microseconds = redis.time()
    except RedisError as found:
        what, cure = unreached(redis, channel, found)
        if isinstance(found, AuthenticationError):
            yield error(121, "Redis", what, cure)
        else:
            yield error(122, "Redis", f"{what}: messages wait for the sweeper's look", cure)
    else:
        yield fine("Redis", where)
        yield clocks("Redis", seconds + microseconds / 1_000_000, began, time.time())


def _served(channel: Channel) -> Iterator[Finding]:
    if channel not in routed_channels():
        return
    serving = live_workers(channel)
    if serving:
        yield fine("workers", f"{channel}: {len(serving)}")
    elif serving is not None:
        behind = f", and {waiting(channel)} wake-up(s) wait" if waiting(channel) else ""
        yield error(123, "workers", f"no worker serves {channel}{behind}: nothing is sent", _WORKER)
