"""A watch that was left open outlives the database's restarts; it says so, and goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection, connections

from notifications import broadcast
from notifications.enums import BroadcastStatus
from notifications.management.carillon import broadcast as command
from notifications.models import Broadcast, Category

pytestmark = pytest.mark.django_db(transaction=True)


def end_own_connection() -> None:
    """End this thread's connection from another one, as a restart of the database does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]

    def end() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        finally:
            connections.close_all()

    ending = threading.Thread(target=end)
    ending.start()
    ending.join()


def test_a_lost_database_is_told_once_and_waited_for(own_redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = broadcast("new-post", {"all": True}, {"title": "Bells"})
    port = connection.settings_dict["PORT"]

    def lose() -> None:
        end_own_connection()
        connection.settings_dict["PORT"] = "1"

    def find_again() -> None:
        connection.settings_dict["PORT"] = port

    def finish() -> None:
        Broadcast.objects.update(status=BroadcastStatus.DONE)

    # What happens between two looks, one after the other: it is away for two looks, and away once more.
    between: list[Callable[[], object]] = [lose, lambda: None, find_again, lose, find_again, finish]
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=lambda _: between.pop(0)()))
    out, err = StringIO(), StringIO()
    try:
        call_command("carillon", "broadcast", "--watch", str(made.pk), stdout=out, stderr=err)
    finally:
        find_again()
    told = ["The database is away; looking again until it is back.", "The database is back."]
    assert err.getvalue().splitlines() == told * 2
    assert "planning: nobody yet" in out.getvalue()
    assert "done: nobody yet" in out.getvalue()


def test_the_end_of_a_watch_says_what_may_follow(own_redis: None) -> None:
    Category.objects.filter(slug="alerts").update(fallback_after=timedelta(minutes=5))
    made = broadcast("price-alert", {"all": True}, {"product": "Bell"})
    Broadcast.objects.update(status=BroadcastStatus.DONE)
    err = StringIO()
    call_command("carillon", "broadcast", "--watch", str(made.pk), stdout=StringIO(), stderr=err)
    assert "Who does not confirm it within 5 minutes may still get it by email" in err.getvalue()
