"""Receipts that come one by one are reconciled by the handful, and give way to whatever is to be sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from notifications.enums import Channel
from notifications.flows import gathering
from notifications.flows.reconcile import reconcile_all
from notifications.flows.stopping import stopping
from notifications.models import Receipt
from notifications.wakeups import DRAIN_JOB, PLAN_JOB, RECONCILE_JOB, connection, forget, waiting, wake

pytestmark = pytest.mark.django_db


def report(key: str) -> None:
    """Store a report about a message that nobody knows."""
    now = timezone.now()
    Receipt.objects.create(provider="twilio", event_key=key, kind="delivered", received_at=now, due_at=now)


def reconciled() -> int:
    return reconcile_all(Channel.SMS, "test", list(Channel))


def test_what_comes_meanwhile_wakes_nobody_and_is_taken_by_the_same_worker(
    moments: list[Callable[[], object]],
) -> None:
    report("a")
    woken: list[bool] = []

    def two_more() -> None:
        woken.append(wake(Channel.SMS, RECONCILE_JOB))
        report("b")
        report("c")

    moments.append(two_more)
    assert reconciled() == 3
    assert (woken, moments) == ([False], [])
    assert wake(Channel.SMS, RECONCILE_JOB)  # it has let go


def test_what_came_between_the_last_look_and_letting_go_is_seen(
    moments: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    report("a")
    late = ["b"]

    def forget_late(*key: str) -> None:
        if late:
            assert not wake(Channel.SMS, RECONCILE_JOB)
            report(late.pop())
        forget(*key)

    monkeypatch.setattr(gathering, "forget", forget_late)
    assert reconciled() == 2


@pytest.mark.parametrize("job", [DRAIN_JOB, PLAN_JOB])
def test_it_gives_way_to_other_work_and_asks_for_a_worker_again(job: str, moments: list[Callable[[], object]]) -> None:
    report("a")
    wake(Channel.PUSH, job)
    moments.append(lambda: report("b"))
    assert reconciled() == 1
    assert (len(moments), waiting(Channel.SMS)) == (1, 1)


def test_it_waits_no_longer_as_soon_as_anything_else_is_to_be_done(moments: list[Callable[[], object]]) -> None:
    report("a")
    moments += [lambda: None, lambda: wake(Channel.PUSH, DRAIN_JOB), lambda: report("b")]
    assert reconciled() == 1
    assert len(moments) == 1


def test_it_does_not_give_way_to_its_own_kind(moments: list[Callable[[], object]]) -> None:
    report("a")
    for channel in Channel:
        wake(channel, RECONCILE_JOB, force=True)
    moments.append(lambda: report("b"))
    assert reconciled() == 2


def test_one_worker_of_a_channel_gathers(moments: list[Callable[[], object]]) -> None:
    report("a")
    connection(Channel.SMS).set(f"carillon:gather:{Channel.SMS}:reconcile_receipts", "another")
    moments.append(lambda: report("b"))
    assert reconciled() == 1
    assert len(moments) == 1


def test_a_worker_that_is_to_stop_hands_the_rest_to_another(moments: list[Callable[[], object]]) -> None:
    report("a")

    def stop() -> None:
        report("b")
        stopping.set()

    moments.append(stop)
    try:
        assert reconciled() == 2
    finally:
        stopping.clear()
    assert waiting(Channel.SMS) == 1
