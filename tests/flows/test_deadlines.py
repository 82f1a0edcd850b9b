"""In a worker and in a sweeper, no statement waits for ever; elsewhere nothing of ours ends one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import django_rq
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone
from rq.serializers import JSONSerializer

from notifications import conf, notify
from notifications.enums import State
from notifications.flows.declare import load_declarations
from notifications.flows.drain import stopping
from notifications.flows.sweep import sweep
from notifications.models import Delivery
from notifications.models.deadlines import set_deadlines
from notifications.sandbox.process import SandboxProcess
from notifications.workers import ChannelWorker

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")
NONE = ("0", "0")
OURS = ("10s", "5min")


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Iterator[None]:
    """What a worker does to its process must not reach the tests after."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    stopping.clear()
    connection_created.disconnect(dispatch_uid="carillon.deadlines")
    connection.close()


def apart(work: Callable[[], T]) -> T:
    """Do something on a connection of its own, as another thread has it."""

    def run() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=60)


def deadlines() -> tuple[Any, ...]:
    """Return what ends a wait for a lock, and what ends a statement, on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        return tuple(cursor.fetchone())


def test_no_other_process_has_any() -> None:
    assert deadlines() == apart(deadlines) == NONE


def test_a_worker_has_them_on_every_connection(sandbox: SandboxProcess) -> None:
    assert deadlines() == NONE
    queue = django_rq.get_queue("sms", serializer=JSONSerializer)
    ChannelWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")
    assert deadlines() == apart(deadlines) == OURS


def test_a_sweeper_by_itself_has_them(sandbox: SandboxProcess) -> None:
    call_command("carillon", "sweep", "--once")
    assert deadlines() == apart(deadlines) == OURS


def test_what_the_host_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**connection.settings_dict["OPTIONS"], "options": "-c statement_timeout=7s"}
    set_deadlines()

    def theirs() -> tuple[Any, ...]:
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
        return deadlines()

    assert apart(theirs) == ("10s", "7s")


def test_a_lock_that_nobody_gives_up_stops_one_repair_and_no_other(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    load_declarations()
    notify(person(phone="+4915112349401"), "login-code", {"code": "1"}, channels=["sms"])
    Delivery.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(conf, "LOCK_WAIT_SECONDS", 1)
    set_deadlines()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE carillon_claim IN ACCESS EXCLUSIVE MODE")
            held.set()
            over.wait(30)

    holder = threading.Thread(target=lambda: apart(hold))
    holder.start()
    try:
        assert held.wait(30)
        assert apart(lambda: sweep("tests"))
        assert not over.is_set()
    finally:
        over.set()
        holder.join()
    assert Delivery.objects.get().state == State.EXPIRED
    assert "sweep: expire_leases failed" in caplog.text
