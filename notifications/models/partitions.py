"""Weekly partitions of the log by the time in each row's id; a DEFAULT partition catches what none covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from django.contrib.postgres.operations import NotInTransactionMixin
from django.db import connections, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import Model

from ..rules.identity import first_id_at

PARTITIONED = ("carillon_notification", "carillon_delivery", "carillon_deliveryevent")
WEEKS_AHEAD = 4
_LOCK = 0x0CA1
_WITHOUT_INDEX = """
SELECT c.relname FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid
WHERE p.inhparent = to_regclass(%s) AND NOT EXISTS (
    SELECT FROM pg_index i JOIN pg_inherits attached ON attached.inhrelid = i.indexrelid
    WHERE i.indrelid = c.oid AND attached.inhparent = to_regclass(%s)
) ORDER BY c.relname
"""


class CreatePartitionedModel(migrations.CreateModel):
    """Create a model's table partitioned by range of its primary key, with a DEFAULT partition."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Create the parent and its DEFAULT partition."""
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        sql, params = schema_editor.table_sql(model)
        schema_editor.execute(f"{sql} PARTITION BY RANGE (id)", params or None)
        table = model._meta.db_table
        schema_editor.execute(f'CREATE TABLE "{table}_default" PARTITION OF "{table}" DEFAULT')


class AddPartitionedIndexConcurrently(NotInTransactionMixin, migrations.AddIndex):
    """Add an index to a partitioned table while it is written to; its migration must not be atomic.

    PostgreSQL makes no index concurrently on a partitioned table, so it is made in three steps: an empty one on the
    parent, one on each partition, and each is attached. What an interrupted run left is taken up or made anew.

    https://www.postgresql.org/docs/current/ddl-partitioning.html
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Make the parent's index and those of all partitions that have none yet."""
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        table, name = model._meta.db_table, self.index.name
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s) IS NULL", [name])
            if cursor.fetchone()[0]:
                self._create(schema_editor, model, f'ONLY "{table}"', name, concurrently=False)
            cursor.execute(_WITHOUT_INDEX, [table, name])
            for (partition,) in cursor.fetchall():
                child = f"{name}{partition.removeprefix(table)}"
                # One that an interrupted run left may be half made.
                schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{child}"')
                self._create(schema_editor, model, f'"{partition}"', child, concurrently=True)
                schema_editor.execute(f'ALTER INDEX "{name}" ATTACH PARTITION "{child}"')

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the parent's index, and with it those of the partitions."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.execute(f'DROP INDEX IF EXISTS "{self.index.name}"')

    def _create(
        self,
        schema_editor: BaseDatabaseSchemaEditor,
        model: type[Model],
        table: str,
        name: str,
        *,
        concurrently: bool,
    ) -> None:
        statement = self.index.create_sql(model, schema_editor, concurrently=concurrently)
        # The model's own table and the parent's name stand there: here it is one of several.
        parts = cast("dict[str, object]", statement.parts)
        parts["table"], parts["name"] = table, f'"{name}"'
        schema_editor.execute(statement, params=None)


def ensure_partitions(using: str, now: datetime) -> list[str]:
    """Make this week's partitions and those of the weeks ahead; return the names of those made.

    Rows that the DEFAULT partition caught for such a week move into it.
    """
    monday = (now.astimezone(UTC) - timedelta(days=now.astimezone(UTC).weekday())).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    made = []
    for table in PARTITIONED:
        for week in range(WEEKS_AHEAD + 1):
            start = monday + timedelta(weeks=week)
            name = f"{table}_{start:%Y%m%d}"
            if _make(using, table, name, start):
                made.append(name)
    return made


def _make(using: str, table: str, name: str, start: datetime) -> bool:
    low, high = first_id_at(start), first_id_at(start + timedelta(weeks=1))
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if cursor.fetchone()[0]:
            return False
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if cursor.fetchone()[0]:
            return False
        # Moving what the DEFAULT partition caught may take its time, but nobody must wait behind us for a lock.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)')
        cursor.execute(
            f'WITH moved AS (DELETE FROM "{table}_default" WHERE id >= %s AND id < %s RETURNING *) '  # noqa: S608
            f'INSERT INTO "{name}" SELECT * FROM moved',
            [low, high],
        )
        cursor.execute(f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)', [low, high])
    return True
