"""Deadlines: in a worker or sweeper, no statement waits for ever, neither for a lock nor for its own end.

A web process has none of ours: its server's time-out ends a request. Nor has a migration, which may take its time.
"""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from .. import conf
from .log import Delivery

_LOCK_NOT_AVAILABLE, _QUERY_CANCELED = "55P03", "57014"
# What the URL, the role or the server has set stays and wins.
_LIMIT = """
    SELECT set_config(name, wanted, false)
    FROM (VALUES ('lock_timeout', %s), ('statement_timeout', %s)) AS ours(name, wanted)
    WHERE current_setting(name) = '0'
"""


def set_deadlines() -> None:
    """Give this process's connections to our tables deadlines, those that are open and those to come."""
    connection_created.connect(_on_created, dispatch_uid="carillon.deadlines")
    for made in connections.all(initialized_only=True):
        if made.connection is not None:
            _limit(made)


def is_away(error: BaseException) -> bool:
    """Whether an error means that PostgreSQL cannot be reached, rather than that a statement had its deadline."""
    return isinstance(error, OperationalError | InterfaceError) and not is_late(error)


def is_late(error: BaseException) -> bool:
    """Whether an error means that a statement had its deadline, its own or that of waiting for a lock."""
    codes = {getattr(error.__cause__, name, None) for name in ("pgcode", "sqlstate")}
    return not codes.isdisjoint((_LOCK_NOT_AVAILABLE, _QUERY_CANCELED))


def _on_created(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    _limit(connection)


def _limit(made: BaseDatabaseWrapper) -> None:
    if made.vendor == "postgresql" and made.alias == router.db_for_write(Delivery):
        with made.cursor() as cursor:
            cursor.execute(_LIMIT, [f"{conf.LOCK_WAIT_SECONDS}s", f"{conf.STATEMENT_SECONDS}s"])
