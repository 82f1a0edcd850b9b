"""Weekly partitions of the log by the time in each row's id; a DEFAULT partition catches what none covers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import cast

from django.contrib.postgres.operations import NotInTransactionMixin
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import Model

from .weeks import PARTITIONED, Busy, Week, make_week, week_of, weeks_of

WEEKS_AHEAD = 4
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

    Rows that the DEFAULT partition caught for such a week move into it. One that is in use for long is passed over:
    there are weeks to try again.
    """
    monday = week_of(now).start
    return make_partitions(using, [Week(monday + timedelta(weeks=number)) for number in range(WEEKS_AHEAD + 1)])


def make_partitions(using: str, weeks: Sequence[Week]) -> list[str]:
    """Make the partitions of any weeks that have none; return the names of those made."""
    made = []
    for table in PARTITIONED:
        there = set(weeks_of(using, table))
        for week in weeks:
            if week not in there:
                with suppress(Busy):
                    made += [week.of(table)] * make_week(using, table, week)
    return made
