"""Wake-ups: tell workers that there is work. They carry no message, so losing or repeating one does no harm.

The only importer of django_rq. A wake-up is deduplicated by a key with a short life, which a drain deletes before its
first claim: whatever is committed after that wakes the next drain.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import django_rq
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry
from rq.serializers import JSONSerializer
from rq.utils import as_text

from . import conf

logger = logging.getLogger("notifications.wakeups")

DRAIN_JOB = "notifications.jobs.drain"
PLAN_JOB = "notifications.jobs.plan_broadcast"
RECONCILE_JOB = "notifications.jobs.reconcile_receipts"
REPLAY_JOB = "notifications.jobs.act_on_dead_letters"
CLEAR_JOB = "notifications.jobs.clear_waiting"
_JOB_TIMEOUT = 600
_FAILURE_KEPT = 3_600
_CONNECT_SECONDS = 0.25
_ANSWER_SECONDS = 0.5
# A wake-up may be asked for inside an HTTP request, which a hung Redis must not keep.
_WAKE_SECONDS = 0.2
_REST_SECONDS = 2.0
_LOOKED_AT = 100
# RQ's own heartbeats pause for as long as a job takes, and a drain takes as long as there is work.
_WORKERS = "carillon:workers:{%s}"
ALIVE_SECONDS = 60
_BEAT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], 86400)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
"""
_GATHERING = "carillon:gather:%s:%s"
_GATHERED_MS = 300
_GATHER = """
local who = redis.call('GET', KEYS[1])
if who and who ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 1
"""
_resting_until: dict[str, float] = {}
_instead: Redis | None = None
_turn = threading.Lock()


def wake(channel: str, job: str = DRAIN_JOB, argument: str = "", *, force: bool = False) -> bool:
    """Ask a worker of the channel to run a job, unless it was asked within the last seconds; return whether it was.

    An unreachable Redis is not an error: what is due stays due in PostgreSQL, and the sweeper asks again.
    """
    if _instead is not None:
        return False
    try:
        where = _where(channel)
    except (KeyError, ImproperlyConfigured, ValueError) as error:
        # What was accepted is committed: whoever asked is told nothing, operators are.
        logger.error('no wake-up for %s: RQ_QUEUES["%s"] cannot be used: %s', channel, channel, error)  # noqa: TRY400
        return False
    if not force and _rests(where):
        return False
    argument = argument or channel
    try:
        redis = connection(channel, _WAKE_SECONDS)
        asked = bool(redis.set(_key(channel, job, argument), "1", nx=True, ex=conf.WAKE_KEY_SECONDS)) or force
        if asked:
            queue = django_rq.get_queue(channel, connection=redis, serializer=JSONSerializer, commit_mode="auto")
            queue.enqueue_call(
                job,
                args=(argument,),
                timeout=_JOB_TIMEOUT,
                result_ttl=0,
                failure_ttl=_FAILURE_KEPT,
                job_id=f"{_name(job)}-{uuid4().hex}",
            )
    except RedisError as error:
        # One line, and a moment's rest: a hung Redis must not cost every request its time-out.
        logger.warning("no wake-up for %s: %s; the sweeper will ask again", channel, type(error).__name__)
        _resting_until[where] = time.monotonic() + _REST_SECONDS
        return False
    _resting_until.pop(where, None)
    return asked


def wake_on_commit(channels: Iterable[str], job: str = DRAIN_JOB, argument: str = "") -> None:
    """Wake these channels once the surrounding transaction has committed."""
    for channel in sorted(set(channels)):

        def wake_it(channel: str = channel) -> None:
            wake(channel, job, argument)

        # No partial: Django names a function that fails, and a partial has no name.
        transaction.on_commit(wake_it, robust=True)


def forget(channel: str, job: str = DRAIN_JOB, argument: str = "") -> None:
    """Delete the key of a wake-up that is being answered, so that the next one gets through."""
    try:
        connection(channel).delete(_key(channel, job, argument or channel))
    except RedisError:
        logger.warning("Redis is away; the wake-up key of %s runs out by itself", channel)


def gather(channel: str, worker: str, job: str = DRAIN_JOB) -> bool:
    """Let one worker alone look again soon, and spare all others' wake-ups until then; return whether it is this one.

    It lasts for 300 ms unless renewed, so that a worker that hangs or dies hardly delays anything. Without Redis
    nobody is woken, and whoever looks again does no harm.
    """
    keys = (_GATHERING % (channel, _name(job)), _key(channel, job, channel))
    try:
        return bool(connection(channel).eval(_GATHER, 2, *keys, worker, _GATHERED_MS))
    except RedisError:
        return True


def waiting(channel: str) -> int | None:
    """Return how many wake-ups wait on a channel's queue, or None if Redis is away."""
    try:
        return int(connection(channel).llen(f"rq:queue:{channel}"))
    except RedisError:
        return None


def beat(channels: Iterable[str], worker: str) -> None:
    """Note that a worker is alive and serves these channels; without Redis nobody is told."""
    for channel in channels:
        try:
            connection(channel).eval(_BEAT, 1, _WORKERS % channel, worker, ALIVE_SECONDS)
        except RedisError:
            return


def leave(channels: Iterable[str], worker: str) -> None:
    """Forget a worker that stops."""
    for channel in channels:
        try:
            connection(channel).zrem(_WORKERS % channel, worker)
        except RedisError:
            return


def workers_key(channel: str) -> str:
    """Return under which key Redis has a channel's workers, each with when it last said that it is alive."""
    return _WORKERS % channel


def live_workers(channel: str) -> dict[str, datetime] | None:
    """Return who serves a channel and when each last told so, or None if Redis is away.

    One that was killed is in it for a minute; one that works on a long job is, unlike in RQ's own list.
    """
    try:
        redis = connection(channel)
        now = int(redis.time()[0])
        found: Any = redis.zrangebyscore(_WORKERS % channel, now - ALIVE_SECONDS, "+inf", withscores=True)
    except RedisError:
        return None
    return {as_text(name): datetime.fromtimestamp(told, UTC) for name, told in found}


def other_work_waits(channel: str, than: str = DRAIN_JOB) -> bool:
    """Whether a channel's queue holds something else than this job, such as a page of a broadcast to plan."""
    try:
        waits = connection(channel).lrange(f"rq:queue:{channel}", 0, _LOOKED_AT - 1)
    except RedisError:
        return False
    return any(not as_text(item).startswith(f"{_name(than)}-") for item in waits)


@lru_cache(maxsize=16)
def connection(channel: str, answer_seconds: float = _ANSWER_SECONDS) -> Redis:
    """Return the channel's Redis with deadlines that an HTTP request can bear."""
    if _instead is not None:
        return _instead
    base = django_rq.get_connection(channel)
    pool = base.connection_pool
    options = {
        **pool.connection_kwargs,
        "socket_timeout": answer_seconds,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),  # redis-py would try again for seconds
    }
    if type(pool) is not ConnectionPool:
        return base  # Sentinel and the like bring deadlines of their own
    if "path" in options:
        options.pop("socket_connect_timeout")
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options))


def address_of(redis: Redis) -> str:
    """Return where a Redis is, without its password."""
    options = redis.connection_pool.connection_kwargs
    if options.get("path"):
        return f"{options['path']} (database {options.get('db') or 0})"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db') or 0}"


def unreached(redis: Redis, queue: str, error: RedisError) -> tuple[str, str]:
    """Return what an error of a queue's Redis means, without its password, and what cures it."""
    where = address_of(redis)
    if isinstance(error, AuthenticationError):
        cure = f'correct the URL in RQ_QUEUES["{queue}"]: redis://:password@host:6379/0'
        return f"Redis at {where} refuses user or password", cure
    cure = f'start Redis or Valkey there, or correct RQ_QUEUES["{queue}"]["URL"]'
    return f"nobody answers at {where} ({type(error).__name__})", cure


def do_without_redis(instead: Redis | None) -> None:
    """Wake nobody, and give this to whoever asks for a connection; None: let Redis be asked again.

    For `notifications.testing`: what is due is found in PostgreSQL in any case.
    """
    global _instead  # noqa: PLW0603 - one for the process, as the connections are
    _instead = instead
    connection.cache_clear()


def _rests(where: str) -> bool:
    """Whether a Redis that did not answer is left alone for now; when that is over, one thread finds out for all."""
    with _turn:
        until = _resting_until.get(where)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        _resting_until[where] = time.monotonic() + _REST_SECONDS
        return False


def _where(channel: str) -> str:
    """Return which Redis a channel uses: what hangs for one channel hangs for all that share it."""
    options = connection(channel).connection_pool.connection_kwargs
    return f"{options.get('path') or options.get('host') or channel}:{options.get('port')}"


def _key(channel: str, job: str, argument: str) -> str:
    return f"carillon:wake:{channel}:{_name(job)}:{argument}"


def _name(job: str) -> str:
    return job.rpartition(".")[2]
