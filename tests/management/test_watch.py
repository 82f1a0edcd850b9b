"""A watch that was left open outlives the database's restarts; it says so, and goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, connections

from notifications import broadcast
from notifications.enums import BroadcastStatus
from notifications.models import Broadcast
from tests.live import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
OTHERS_SQL = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def end_others() -> int:
    """End all connections to the database but this one, as a restart does, and return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS_SQL)
        return int(cursor.fetchone()[0])


def test_a_lost_database_is_told_once_and_waited_for(own_redis: None) -> None:
    made = broadcast("new-post", {"all": True}, {"title": "Bells"})
    out, err = StringIO(), StringIO()

    def watch() -> None:
        try:
            call_command("carillon", "broadcast", "--watch", str(made.pk), "--every", "0.05", stdout=out, stderr=err)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            for times in (1, 2):
                wait_for(lambda: watching.done() or "planning" in out.getvalue(), "the first line")
                assert end_others()
                wait_for(lambda n=times: watching.done() or err.getvalue().count("is back") == n, "the database")
                assert err.getvalue().count("is away") == times
        finally:
            Broadcast.objects.update(status=BroadcastStatus.DONE)
        watching.result(timeout=60)
    assert "done: nobody yet" in out.getvalue()
