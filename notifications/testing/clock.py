"""Time travel: PostgreSQL's clock, which alone judges what is due, is moved for one connection.

Functions of the same names are put before PostgreSQL's own in the connection's search path. In a `TestCase` the
transaction takes all of it back; elsewhere `restore` does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connections, router

from ..models import Delivery

_SCHEMA = "carillon_time_travel"
_SHIFT = "carillon.time_travel"
_CLOCKS = ("clock_timestamp", "statement_timestamp", "now")
_MAKE = f"""
    SET client_min_messages = warning;
    CREATE SCHEMA IF NOT EXISTS {_SCHEMA};
    {
    "".join(
        f'''
    CREATE OR REPLACE FUNCTION {_SCHEMA}.{name}() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT pg_catalog.{name}() + pg_catalog.current_setting('{_SHIFT}')::interval $$;'''
        for name in _CLOCKS
    )
}
    RESET client_min_messages;
"""


class Clock:
    """The clock of the database that deliveries are in."""

    def __init__(self) -> None:
        self._shift = timedelta()
        self._path = ""

    @property
    def seconds(self) -> float:
        """By how many seconds it was moved."""
        return self._shift.total_seconds()

    def now(self) -> datetime:
        """Return what it says."""
        return Delivery.objects.database_now()

    def move(self, by: timedelta) -> None:
        """Move it, forwards or backwards; it goes on from there."""
        self._shift += by
        self.hold()

    def hold(self) -> None:
        """Let the connection have the clock as it was moved: a savepoint that was rolled back takes it along."""
        if not self._shift and not self._path:
            return
        with connections[_alias()].cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path')")
            (path,) = cursor.fetchone()
            if not str(path).startswith(_SCHEMA):
                self._path = str(path)
                cursor.execute(_MAKE)
                cursor.execute("SELECT set_config('search_path', %s, false)", [f"{_SCHEMA}, pg_catalog, {self._path}"])
            shift = f"{self._shift.total_seconds()} seconds"
            cursor.execute("SELECT set_config(%s, %s, false)", [_SHIFT, shift])

    def restore(self) -> None:
        """Give the connection PostgreSQL's own clock back."""
        path, self._shift, self._path = self._path, timedelta(), ""
        connection = connections[_alias()]
        if not path or connection.connection is None or connection.needs_rollback:
            # A transaction that failed is rolled back, and the clock with it.
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, false)", [path])
            cursor.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")


def _alias() -> str:
    return router.db_for_write(Delivery)
