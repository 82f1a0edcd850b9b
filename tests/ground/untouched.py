"""Puts the database back after a test that committed: only what it touched, instead of everything.

Django empties every table and runs `post_migrate`, which makes permissions and loads all words anew: a second of work
for each such test. What the database holds before the first test is some hundred rows; they are kept here, and
compared by their hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

# Every table that holds rows itself: ordinary ones and partitions, in no order.
_TABLES = """
    SELECT c.oid::regclass::text, pg_relation_size(c.oid),
           EXISTS (SELECT FROM pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f')
    FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
_HASH = "SELECT '{0}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM ONLY {0} t"
_ANY = "SELECT '{0}', CASE WHEN EXISTS (SELECT FROM ONLY {0}) THEN 'some' END"
_ROWS = "SELECT json_agg(t)::text FROM ONLY {0} t"
_BACK = "INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, %s::json)"
# Nobody who still writes is passed over; who reads is not waited for.
_LOCK = "LOCK TABLE {0} IN SHARE ROW EXCLUSIVE MODE"
_LARGE_BYTES = 1 << 18


class Untouched:
    """What the database holds before the first test."""

    def __init__(self) -> None:
        self._rows: dict[str, str] = {}
        self._hashes: dict[str, str | None] = {}
        #: Who is no superuser cannot write rows back without asking foreign keys: then Django flushes as ever.
        self.able = bool(_fetch("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0])
        names = [name for name, *_ in _fetch(_TABLES)]
        for name in names:
            rows = _fetch(_ROWS.format(name))[0][0]
            if rows is not None:
                self._rows[name] = rows
        self._hashes = self._look(names)

    def restore(self) -> None:
        """Empty what has rows and had none, and write anew what is not as it was."""
        tables = {name: (size, named) for name, size, named in _fetch(_TABLES)}
        if not tables:
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_LOCK.format(", ".join(sorted(tables))))
            found = self._look(list(tables))
            changed = [name for name, seen in found.items() if seen != self._hashes.get(name)]
            if not changed:
                return
            cursor.execute("SET LOCAL session_replication_role = replica")  # no foreign key is asked
            for name in changed:
                size, named = tables[name]
                large = size > _LARGE_BYTES and not named
                cursor.execute(f"TRUNCATE ONLY {name}" if large else f"DELETE FROM ONLY {name}")
                if name in self._rows:
                    cursor.execute(_BACK.format(name), [self._rows[name]])
        ContentType.objects.clear_cache()

    def _look(self, names: list[str]) -> dict[str, str | None]:
        if not names:
            return {}  # no test of this run asks for a database, so none was made
        parts = [(_HASH if name in self._rows else _ANY).format(name) for name in names]
        return dict(_fetch(" UNION ALL ".join(parts)))


def _fetch(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def instead_of_flush(untouched: Untouched) -> Callable[[TransactionTestCase], None]:
    """Return what a `TransactionTestCase` does at its end in place of `flush`."""
    usual = TransactionTestCase._fixture_teardown

    def teardown(case: TransactionTestCase) -> None:
        only_ours = case._databases_names(include_mirrors=False) == [connection.alias]
        if case.available_apps is not None or not only_ours or not untouched.able:
            usual(case)
        else:
            untouched.restore()

    return teardown
