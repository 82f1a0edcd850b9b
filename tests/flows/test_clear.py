"""Clearing what waits: a filter, a dry run, then page by page; nothing twice, nothing newer, nothing that is held."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from notifications import notify
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import clear, runs
from notifications.flows.claim import claim
from notifications.flows.clear import CLEARINGS
from notifications.flows.filters import BadFilter
from notifications.flows.operate import By
from notifications.flows.waiting import Chosen, try_out, waiting_from
from notifications.models import AuditEntry, Delivery, DeliveryEvent, Mark
from notifications.sandbox.process import SandboxProcess

pytestmark = pytest.mark.django_db
BY = By("root", "the sale is over")


def waiting(user: User, count: int) -> None:
    for number in range(count):
        notify(user, "new-follower", {"name": f"{number}"})


def chosen(**values: str) -> Chosen:
    return Chosen(waiting_from({"channel": "push", **values}), Delivery.objects.database_now())


def finish(key: int) -> AuditEntry:
    while CLEARINGS.work_on(key):
        pass
    return AuditEntry.objects.get(pk=key)


@pytest.mark.parametrize(("action", "state"), [(clear.CANCEL, State.CANCELLED), (clear.EXPIRE, State.EXPIRED)])
def test_a_run_acts_page_by_page_on_what_waited(
    sandbox: SandboxProcess,
    person: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    state: State,
) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    user = person(f"token-clear-{action}")
    waiting(user, 5)
    wanted = chosen()
    assert try_out(wanted).count == 5
    assert try_out(wanted).by_template == {"new-follower": 5}
    notify(user, "new-follower", {"name": "newer than the dry run"})
    entry = clear.begin(action, wanted, BY)
    assert clear.begin(action, wanted, BY).pk == entry.pk, "pressing twice is one run"
    assert CLEARINGS.work_on(entry.pk), "two of five, and more to come"
    assert [row.pk for row in CLEARINGS.unfinished()] == [entry.pk]
    done = finish(entry.pk)
    assert (done.planned, done.done, "finished_at" in done.detail) == (5, 5, True)
    assert Delivery.objects.filter(state=state).count() == 5
    assert Delivery.objects.get(state=State.PENDING).reason == Reason.NEW
    assert not Mark.objects.filter(name__startswith="clear:").exists()
    event = DeliveryEvent.objects.filter(state=state).first()
    assert event is not None
    assert "the sale is over" in event.detail
    assert event.actor == "root"
    assert not CLEARINGS.work_on(entry.pk), "a wake-up that comes late does nothing"


def test_a_filter_bounds_the_run(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person("token-clear-filter")
    waiting(user, 2)
    notify(user, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})
    other = notify(user, "new-follower", {"name": "about"})
    assert chosen(about=str(other.pk)).count() == 1
    assert chosen(template="new-follower").count() == 3
    assert chosen(waits_for="retry").count() == chosen(lane="critical").count() == 0
    assert chosen(older_than="5").count() == 0
    assert finish(clear.begin(clear.CANCEL, chosen(about=str(other.pk)), BY).pk).done == 1
    assert Delivery.objects.filter(state=State.CANCELLED).get().notification_id == other.pk


def test_what_a_worker_holds_is_left_to_it_and_a_stop_leaves_the_rest(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    user = person("token-clear-held")
    waiting(user, 3)
    wanted = chosen()
    entry = clear.begin(clear.CANCEL, wanted, BY)
    assert claim(Channel.PUSH, tuple(Lane), "w", most=1).batch is not None
    assert CLEARINGS.work_on(entry.pk)
    assert CLEARINGS.stop(entry.pk, BY)
    assert not CLEARINGS.stop(entry.pk, BY)
    assert not CLEARINGS.work_on(entry.pk)
    states = sorted(Delivery.objects.values_list("state", flat=True))
    assert states == [State.CANCELLED, State.PENDING, State.SENDING]


@pytest.mark.parametrize(
    "wrong",
    [{"channel": ""}, {"channel": "fax"}, {"waits_for": "sent"}, {"lane": "slow"}, {"about": "x"}, {"older_than": "-1"},
     {"template": "x" * 64}],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadFilter):
        waiting_from({"channel": "push", **wrong})


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_once_are_one_run(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    waiting(person("token-clear-twice"), 4)
    wanted = chosen()
    begun: list[int] = []

    def press() -> None:
        try:
            begun.append(clear.begin(clear.CANCEL, wanted, BY).pk)
            CLEARINGS.work_for(begun[-1], 5.0)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 3
    assert len(set(begun)) == 1
    assert AuditEntry.objects.get(action=clear.CANCEL).done == 4
    assert DeliveryEvent.objects.filter(state=State.CANCELLED).count() == 4


def test_a_page_that_fails_again_and_again_ends_the_run_with_an_alert(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(person("token-clear-fails"), 1)
    entry = clear.begin(clear.CANCEL, chosen(), BY)

    def broken(*_: object) -> int:
        raise RuntimeError("to ada@example.com")

    monkeypatch.setattr(clear, "_act", broken)
    for _ in range(5):
        assert not CLEARINGS.work_on(entry.pk)
    assert CLEARINGS.unfinished() == []
    assert Delivery.objects.get().state == State.PENDING
