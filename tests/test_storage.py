"""Storage settings: every partition of the log has them, whenever it was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from notifications.models.partitions import make_partitions
from notifications.models.storage import STORAGE, SetPartitionStorage
from notifications.models.weeks import week_of

pytestmark = pytest.mark.django_db(transaction=True)


def options() -> dict[str, tuple[str, dict[str, str]]]:
    """Return by partition its table and its settings."""
    found = {}
    with connection.cursor() as cursor:
        for table in STORAGE:
            cursor.execute(
                "SELECT c.relname, c.reloptions FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = %s::regclass",
                [table],
            )
            for name, given in cursor.fetchall():
                found[name] = (table, dict(item.split("=") for item in given or ()))
    return found


def test_every_partition_has_the_settings_of_its_table() -> None:
    week = week_of(datetime.now(UTC) - timedelta(days=40))
    make_partitions(connection.alias, [week])
    try:
        found = options()
        assert {f"{table}_default" for table in STORAGE} <= set(found)
        assert {week.of(table) for table in STORAGE} <= set(found)
        assert all(given == STORAGE[table] for table, given in found.values())
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {', '.join(week.of(table) for table in STORAGE)}")


def test_the_migration_goes_back_and_forth_and_locks_nobody_out() -> None:
    state, operation = ProjectState.from_apps(apps), SetPartitionStorage()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("carillon", editor, state, state)
    assert all(given == {} for _, given in options().values())
    with connection.schema_editor(atomic=True) as editor:
        operation.database_forwards("carillon", editor, state, state)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
                " AND relation::regclass::text LIKE 'carillon_%'"
            )
            # Neither reading (ACCESS SHARE) nor writing (ROW EXCLUSIVE) conflicts with it.
            assert {mode for (mode,) in cursor.fetchall()} <= {"ShareUpdateExclusiveLock", "AccessShareLock"}
    assert all(given == STORAGE[table] for table, given in options().values())
