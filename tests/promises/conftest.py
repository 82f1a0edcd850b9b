"""Promises are tested on whole deployments: processes of their own over a database and a Valkey of their own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from project import embedded
from project.demo.stack import Stack
from project.embedded_home import Home
from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox

__all__ = ["own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]


def _server_url(database: str) -> str:
    """Return the URL of another database on the suite's PostgreSQL."""
    parts = urlsplit(os.environ.get("DATABASE_URL") or Home.of().database_url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{database}{query}"


def _execute(statement: str) -> None:
    connection = psycopg2.connect(_server_url("postgres"))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.fixture
def database_url() -> Iterator[str]:
    """The URL of a new, empty database; it is dropped at the end."""
    name = f"promise_{uuid.uuid4().hex[:12]}"
    _execute(f'CREATE DATABASE "{name}"')
    yield _server_url(name)
    _execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[embedded.Services]:
    """A Valkey of the test's own, which it may kill and empty."""
    with embedded.start(tmp_path / "services", postgres=False, valkey=True) as services:
        yield services


@pytest.fixture
def stack(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A migrated deployment with its sandbox; web and workers are for the test to start."""
    with Stack(tmp_path / "stack", database_url, valkey.redis_url) as made:
        made.manage("migrate", "--verbosity", "0")
        yield made
