"""`notify()` joins the caller's transaction; two callers never deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from notifications import notify
from notifications.flows.declare import load_declarations
from notifications.models import Delivery, Notification
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def declared(transactional_db: None) -> None:
    """Categories and templates, which a flush removes."""
    load_declarations()


def test_a_rolled_back_transaction_sends_nothing(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person(phone="+4915199990001")

    with transaction.atomic():
        notify(user, "login-code", {"code": "1"})
        transaction.set_rollback(True)
    work()
    assert not Notification.objects.exists()
    assert not [row for row in sandbox.client.messages() if row.to == "+4915199990001"]


def test_a_savepoint_that_rolls_back_sends_nothing_of_its_own(person: Callable[..., User]) -> None:
    user = person()
    with transaction.atomic():
        kept = notify(user, "login-code", {"code": "1"}, idempotency_key="kept")
        sid = transaction.savepoint()
        notify(user, "login-code", {"code": "2"}, idempotency_key="dropped")
        transaction.savepoint_rollback(sid)
    assert list(Notification.objects.values_list("pk", flat=True)) == [kept.pk]


def test_two_transactions_in_opposite_order_do_not_deadlock(person: Callable[..., User]) -> None:
    users = [person(f"token-deadlock-{n}") for n in range(2)]
    meet = threading.Barrier(2, timeout=30)
    errors: list[BaseException] = []

    def run(order: list[User], name: str) -> None:
        try:
            with transaction.atomic():
                notify(order[0], "new-follower", {"name": name}, collapse_key="same")
                meet.wait()
                notify(order[1], "new-follower", {"name": name}, collapse_key="same")
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(users, "a")),
        threading.Thread(target=run, args=(users[::-1], "b")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    assert Delivery.objects.count() == 4
