"""A backup as any dump is one: every row of one moment, taken while others write; and the same rows put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ, connection

_TABLES = """
    SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attgenerated = '' AND c.relname <> 'django_migrations'
    GROUP BY c.relname
"""


@dataclass(frozen=True)
class Backup:
    """The rows of all tables, as COPY writes them, and where sequences stood."""

    rows: Mapping[str, bytes]
    sequences: Mapping[str, int]


def take(url: str) -> Backup:
    """Take a backup in one snapshot, as pg_dump does; nobody is kept from writing."""
    with _connected(url) as made:
        made.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with made.cursor() as cursor:
            rows = {}
            cursor.execute(_TABLES)
            for table, columns in cursor.fetchall():
                into = BytesIO()
                cursor.copy_expert(f'COPY (SELECT {columns} FROM "{table}") TO STDOUT', into)
                rows[table] = into.getvalue()
            cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL")
            return Backup(rows, dict(cursor.fetchall()))


def restore(url: str, backup: Backup) -> None:
    """Put the rows of a backup in place of all that is there; whoever is connected loses the connection."""
    with _connected(url) as made, made.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_TABLES)
        columns = dict(cursor.fetchall())
        cursor.execute(f"TRUNCATE {', '.join(map(_quoted, columns))} CASCADE")
        for table, rows in backup.rows.items():
            cursor.copy_expert(f"COPY {_quoted(table)} ({columns[table]}) FROM STDIN", BytesIO(rows))
        for sequence, value in backup.sequences.items():
            cursor.execute("SELECT setval(%s, %s)", [_quoted(sequence), value])


def _connected(url: str) -> connection:
    return psycopg2.connect(url)


def _quoted(name: str) -> str:
    return f'"{name}"'
