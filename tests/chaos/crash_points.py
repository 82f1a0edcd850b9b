"""Crash points: counts every step to PostgreSQL, Redis and a provider, and sends this process a signal at one of them.

The product knows nothing of it: Django's cursor and commit, redis-py's connection, the HTTP connection under
`requests`, our own pooled connections and the connection to a mail server are wrapped from outside, in a process that
exists for one crash.
"""

from __future__ import annotations

import functools
import http.client
import os
import threading
from collections.abc import Callable
from typing import Any

import redis.client
import redis.connection
from django.db.backends import utils
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.providers import smtp_connection
from notifications.providers.exchange import Response
from notifications.providers.http1 import Http1Pool
from notifications.providers.http1_connection import Http1Connection
from notifications.providers.transport import OneRequestAdapter

BEFORE, AFTER = "before", "after"
Hit = Callable[[str, str, str], None]
"""Called with when ("before", "after"), what ("database", "commit", "redis", "http", "smtp"), and a word for it."""


class Crash:
    """Counts crash points, writes each to a file descriptor, and at the chosen one sends this process a signal.

    A point is logged before the signal, so that the file's last line says where it fell. With `at` 0 it only counts.
    """

    def __init__(self, log: int, at: int, number: int) -> None:
        self._log = log
        self._at = at
        self._number = number
        self._passed = 0
        self._lock = threading.Lock()

    def __call__(self, when: str, what: str, name: str) -> None:
        """Pass a point, or end here."""
        if isinstance(threading.current_thread(), redis.client.PubSubWorkerThread):
            return  # RQ's own ear for commands: it polls, so that its steps are never the same in number
        with self._lock:
            self._passed += 1
            os.write(self._log, f"{when} {what} {name}\n".encode())
            chosen = self._passed == self._at
        if chosen:
            os.kill(os.getpid(), self._number)


def install(hit: Hit) -> None:
    """Wrap every boundary of this process, for good."""
    for name in ("_execute", "_executemany"):
        _around(utils.CursorWrapper, name, hit, "database", _verb)
    _around(BaseDatabaseWrapper, "_commit", hit, "commit", lambda *_: "COMMIT")
    _around(BaseDatabaseWrapper, "_rollback", hit, "commit", lambda *_: "ROLLBACK")
    _around_redis(hit)
    _around(http.client.HTTPConnection, "send", hit, "http", lambda *_: "requests", when=(BEFORE,))
    _around(OneRequestAdapter, "send", hit, "http", lambda *_: "requests", when=(AFTER,))
    _around_http1(hit)
    _around(smtp_connection.Connection, "send", hit, "smtp", lambda *_: "command", when=(BEFORE,))
    _around(smtp_connection.Connection, "getreply", hit, "smtp", lambda *_: "answer", when=(AFTER,))


def _verb(_: object, sql: object, *__: object) -> str:
    words = str(sql).split()
    return words[0].upper() if words else "?"


def _around(
    owner: Any, name: str, hit: Hit, what: str, word: Callable[..., str], when: tuple[str, ...] = (BEFORE, AFTER)
) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def wrapped(self: Any, *args: Any, **options: Any) -> Any:
        named = word(self, *args)
        if BEFORE in when:
            hit(BEFORE, what, named)
        result = plain(self, *args, **options)
        if AFTER in when:
            hit(AFTER, what, named)
        return result

    setattr(owner, name, wrapped)


def _around_redis(hit: Hit) -> None:
    """A command is written by one method and answered by another; a pipeline's answers come one by one."""
    for owner in (redis.connection.AbstractConnection,):
        _around(owner, "send_packed_command", hit, "redis", lambda *_: "command", when=(BEFORE,))
        _around(owner, "read_response", hit, "redis", lambda *_: "answer", when=(AFTER,))


def _around_http1(hit: Hit) -> None:
    """An answer that comes too late for whoever asked for it is none."""
    _around(Http1Connection, "request", hit, "http", lambda *_: "http1", when=(BEFORE,))
    post = Http1Pool.post

    async def answered(self: Http1Pool, *args: Any) -> Response:
        response = await post(self, *args)
        hit(AFTER, "http", "http1")
        return response

    Http1Pool.post = answered  # type: ignore[method-assign]
