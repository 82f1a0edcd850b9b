"""A deployment behind pgbouncer in transaction mode: a connection lasts a transaction, and all promises hold."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import psycopg2.extensions
import pytest

from project.demo.ports import free_port
from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVER_CONNECTIONS = 3
RECIPIENTS = 2_000
CONFIG = """
[databases]
{name} = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {most}
max_client_conn = 200
"""

pytestmark = [pytest.mark.long, pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")]


@pytest.fixture
def pooled(database_url: str) -> Iterator[str]:
    """The URL of the database through a pgbouncer with fewer connections than the deployment has processes."""
    parts = psycopg2.extensions.parse_dsn(database_url)
    server = " ".join(f"{key}='{parts[key]}'" for key in ("host", "port", "dbname", "user", "password") if key in parts)
    port = free_port(0)
    values = {"name": parts["dbname"], "server": server, "listen": port, "most": SERVER_CONNECTIONS}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(CONFIG.format(**values))
        Path(folder).chmod(0o755)
        # It refuses to run as root.
        process = subprocess.Popen([str(PGBOUNCER), "-q", str(config)], user="nobody" if os.geteuid() == 0 else None)
        try:
            wait_for(lambda: process.poll() is not None or answers(port), "pgbouncer to be up")
            assert process.poll() is None, "pgbouncer did not start"
            yield f"postgresql://{quote(parts['user'])}@127.0.0.1:{port}/{parts['dbname']}"
        finally:
            process.terminate()
            process.wait(20)


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_deployment_works_over_three_connections(stack: Stack, database_url: str, pooled: str) -> None:
    direct = psycopg2.connect(database_url)
    direct.autocommit = True
    with direct.cursor() as cursor:
        # As the documentation says: else workers would set them on sessions that others get.
        for name, value in (("lock_timeout", "10s"), ("statement_timeout", "300s")):
            cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {direct.info.dbname} SET {name} = '{value}'")
    stack.env = {**stack.env, "DATABASE_URL": pooled, "DJANGO_DISABLE_SERVER_SIDE_CURSORS": "true"}
    host(stack, f"seed({RECIPIENTS})")
    stack.start_web()
    stack.start_worker("worker-1")
    stack.start_worker("worker-2")
    host(stack, "launch()")
    host(stack, "login_code()")
    host(stack, "retry_and_deferral()")
    wait_for(lambda: len(accepted(stack, "fcm")) >= RECIPIENTS + 1, "the broadcast and the deferred push")
    wait_for(lambda: accepted(stack, "twilio"), "the login code")
    wait_for(lambda: "flaky-1@example.com" in {row.to for row in accepted(stack)}, "the retry")
    assert set(Counter(row.delivery for row in accepted(stack, "fcm")).values()) == {1}
    with direct.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [direct.info.dbname])
        assert cursor.fetchone()[0] <= SERVER_CONNECTIONS + 1
        cursor.execute("SELECT DISTINCT channel FROM carillon_delivery WHERE possible_duplicate OR state = 'dead'")
        # The email's first try was answered with a 500, after which nobody can know.
        assert cursor.fetchall() == [("email",)]
    direct.close()
    for name in ("web", "worker-1", "worker-2"):
        assert "Traceback" not in stack.log(name)
        assert stack.stop(name) == 0
