"""Storage settings of the log's partitions: the defaults of autovacuum are made for tables that grow slowly.

PostgreSQL takes none of them on the partitioned parent ("specify the parameters for individual leaf partitions
instead"), so that each partition gets them when it is made, and a migration gives them to those that are there.

https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-STORAGE-PARAMETERS
https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
"""

from __future__ import annotations

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# Vacuum is due at threshold + scale factor * rows (routine-vacuuming.html#AUTOVACUUM). Every delivery is written three
# times (planned, claimed, recorded), so a week of ten million rows leaves twenty million dead ones; with the default
# factor of 0.2 the partial indexes that claims read would carry two million dead entries before anybody swept them.
_UPDATED = {
    "autovacuum_vacuum_threshold": "20000",
    "autovacuum_vacuum_scale_factor": "0.01",
    # Planning a broadcast only inserts: the visibility map is kept up for counts that read an index alone, and rows
    # are frozen while they are in memory rather than all at once later.
    "autovacuum_vacuum_insert_threshold": "50000",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    # A week begins empty and has millions of rows an hour later: plans must not rest on yesterday's figures.
    "autovacuum_analyze_threshold": "20000",
    "autovacuum_analyze_scale_factor": "0.05",
    # Half of the default sleep of 2 ms, so that one pass over a large week keeps up with a broadcast. Not 0: on a
    # small machine vacuum would take the disk from the workers.
    "autovacuum_vacuum_cost_delay": "1",
}
_INSERTED = {name: value for name, value in _UPDATED.items() if "insert" in name or "analyze" in name}
# No fillfactor: room in a page serves HOT updates alone, and those need that no indexed column changes, of partial
# indexes' conditions too (storage-hot.html). Each change of a delivery changes its state, which such conditions name,
# so that room would only make the table larger.
STORAGE = {
    "carillon_notification": _INSERTED,
    "carillon_delivery": _UPDATED,
    "carillon_deliveryevent": _INSERTED,
}
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"


def set_storage(table: str, partition: str) -> str:
    """Return the statement that gives a partition of a table its settings.

    It takes a SHARE UPDATE EXCLUSIVE lock, which readers and writers do not notice (sql-altertable.html).
    """
    settings = ", ".join(f"{name} = {value}" for name, value in STORAGE[table].items())
    return f'ALTER TABLE "{partition}" SET ({settings})'


class SetPartitionStorage(Operation):
    """Give the partitions that are there their storage settings; nothing is rewritten and nobody waits."""

    reversible = True
    reduces_to_sql = False

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Models know nothing of it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Set them on every partition."""
        for table, partition in self._partitions(app_label, schema_editor, to_state):
            schema_editor.execute(set_storage(table, partition))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Go back to what the server has set."""
        for table, partition in self._partitions(app_label, schema_editor, from_state):
            schema_editor.execute(f'ALTER TABLE "{partition}" RESET ({", ".join(STORAGE[table])})')

    def describe(self) -> str:
        """Return what `migrate --plan` says."""
        return "Set storage parameters on the partitions of the log"

    def _partitions(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState
    ) -> list[tuple[str, str]]:
        model = state.apps.get_model(app_label, "Delivery")
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return []
        found = []
        with schema_editor.connection.cursor() as cursor:
            for table in STORAGE:
                cursor.execute(_PARTITIONS, [table])
                found += [(table, row[0]) for row in cursor.fetchall()]
        return found
