"""What the harness asks of the database itself, over a connection of its own that outlives restarts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import psycopg2


class Database:
    """Statements one by one, each committed; a connection that broke is made anew by the next one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: Any = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            psycopg2.Error: it failed, or PostgreSQL is away.
        """
        return self._execute(sql, values) or []

    def value(self, sql: str, *values: object) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def do(self, sql: str, *values: object) -> None:
        """Execute a statement that returns nothing."""
        self._execute(sql, values)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None

    def _execute(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]] | None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self.url, connect_timeout=5)
            self._connection.autocommit = True
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, list(values) or None)
                return cursor.fetchall() if cursor.description else None
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.close()
            raise
