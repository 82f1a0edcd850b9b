"""Partitions of the log: an index is made on all of them while the log is written to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import NotSupportedError, connection, models
from django.db.migrations.state import ProjectState

from notifications.models.partitions import AddPartitionedIndexConcurrently, ensure_partitions

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "carillon_test_owner"
ADD = AddPartitionedIndexConcurrently("notification", models.Index(fields=["owner", "id"], name=NAME))


@pytest.fixture
def states() -> tuple[ProjectState, ProjectState]:
    before = ProjectState.from_apps(apps)
    after = before.clone()
    ADD.state_forwards("carillon", after)
    return before, after


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    ensure_partitions(connection.alias, datetime.now(UTC))
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}, {NAME}_default")


def add(states: tuple[ProjectState, ProjectState]) -> None:
    with connection.schema_editor(atomic=False) as editor:
        ADD.database_forwards("carillon", editor, *states)


def indexes() -> dict[str, bool]:
    """Return the indexes of this name and whether each is valid."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE c.relname LIKE %s",
            [f"{NAME}%"],
        )
        return dict(cursor.fetchall())


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'carillon_notification'::regclass"
        )
        return {name.removeprefix("carillon_notification") for (name,) in cursor.fetchall()}


def test_an_index_is_on_every_partition_and_goes_again(states: tuple[ProjectState, ProjectState]) -> None:
    add(states)
    assert len(partitions()) > 2
    assert indexes() == {NAME: True} | {f"{NAME}{suffix}": True for suffix in partitions()}
    with connection.schema_editor(atomic=False) as editor:
        ADD.database_backwards("carillon", editor, states[1], states[0])
    assert indexes() == {}


def test_what_was_interrupted_is_finished(states: tuple[ProjectState, ProjectState]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX {NAME} ON ONLY carillon_notification (owner, id)")
        cursor.execute(f"CREATE INDEX {NAME}_default ON carillon_notification_default (owner)")  # of another kind
    assert indexes()[NAME] is False
    add(states)
    assert indexes() == {NAME: True} | {f"{NAME}{suffix}": True for suffix in partitions()}


def test_it_refuses_to_hold_a_lock_for_long(states: tuple[ProjectState, ProjectState]) -> None:
    with pytest.raises(NotSupportedError), connection.schema_editor(atomic=True) as editor:
        ADD.database_forwards("carillon", editor, *states)
