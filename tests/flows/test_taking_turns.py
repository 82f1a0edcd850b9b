"""Clients of one lane take turns: whoever asks for much at once does not hold up another one's few."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import broadcast, conf
from notifications.enums import Channel, Lane
from notifications.flows.accept import accept
from notifications.flows.broadcast import plan_page
from notifications.flows.claim import Batch, claim
from notifications.flows.requests import Request
from notifications.models import Broadcast, Category, Delivery
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers

pytestmark = pytest.mark.django_db
SIZE = 20


@pytest.fixture(autouse=True)
def small_claims(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim takes twenty."""
    monkeypatch.setattr(conf, "CLAIM_SIZE", SIZE)


@pytest.fixture
def ask(person: Callable[..., User]) -> Callable[[str, int], set[UUID]]:
    """Let a client ask for so many messages to one person, and return their notifications' ids."""
    user = person("token-turns-0001")

    def by(owner: str, count: int) -> set[UUID]:
        requests = [Request(user, "new-follower", {"name": f"{owner} {n}"}, owner=owner) for n in range(count)]
        return {accept(request).notification_id for request in requests}

    return by


def taken() -> list[UUID]:
    """Claim once, and return the notifications in the order in which they would be sent."""
    batch = claim(Channel.PUSH, tuple(Lane), "test").batch
    assert isinstance(batch, Batch)
    return [row.notification_id for row in batch.deliveries]


def test_ten_of_one_client_do_not_wait_for_a_hundred_of_another(ask: Callable[[str, int], set[UUID]]) -> None:
    ask("crawler", 5 * SIZE)
    few = ask("shop", 5)
    first = taken()
    assert len(first) == SIZE
    assert few <= set(first), "the second client's five are in the first claim"
    assert [identity in few for identity in first[:10]] == [False, True] * 5, "one of each in turn"


def test_two_that_both_have_much_get_half_each(ask: Callable[[str, int], set[UUID]]) -> None:
    ask("one", 3 * SIZE)
    other = ask("two", 3 * SIZE)
    assert [len(other & set(taken())) for _ in range(3)] == [SIZE // 2] * 3


def test_the_oldest_goes_on_however_many_clients_there_are(ask: Callable[[str, int], set[UUID]]) -> None:
    old = ask("old", 2 * SIZE)
    for number in range(2 * SIZE):
        ask(f"client {number}", 1)
    first = taken()
    assert len(first) == SIZE
    assert len(old & set(first)) >= SIZE // 4


def test_what_is_not_due_gets_no_turn(ask: Callable[[str, int], set[UUID]]) -> None:
    much, later = ask("crawler", 2 * SIZE), ask("shop", 5)
    Delivery.objects.filter(notification_id__in=later).update(due_at="2999-01-01T00:00:00Z")
    assert set(taken()) <= much


def test_a_single_message_does_not_wait_for_a_broadcast_of_its_lane(
    ask: Callable[[str, int], set[UUID]], person: Callable[..., User]
) -> None:
    for number in range(2 * SIZE):
        Follow.objects.create(user=person(f"token-turns-crowd-{number:03d}"), author_id=7)
    Category.objects.update(priority="normal")
    made: Broadcast = broadcast("new-post", followers(author_id=7), {"title": "Bells"})
    while plan_page(made.pk):
        pass
    assert set(Delivery.objects.values_list("client", flat=True)) == {None}
    few = ask("shop", 3)
    first = taken()
    assert len(first) == SIZE
    assert few <= set(first)


def test_turns_cost_nothing_while_a_claim_takes_all_that_is_due(
    ask: Callable[[str, int], set[UUID]], person: Callable[..., User]
) -> None:
    ask("one", 2)
    ask("two", 2)
    with CaptureQueriesContext(connection) as caught:
        taken()
    assert not [query for query in caught if "RECURSIVE" in query["sql"]]


def test_each_statement_reads_the_index_by_clients_and_sorts_nothing(ask: Callable[[str, int], set[UUID]]) -> None:
    ask("one", 3)
    ask("two", 1)
    with CaptureQueriesContext(connection) as caught:
        Delivery.objects.due_lane(Channel.PUSH, tuple(Lane))  # from here on a claim reads in an index's order
        clients = Delivery.objects.clients_due(Channel.PUSH, Lane.NORMAL, 10)
        rows = Delivery.objects.lock_of_clients(Channel.PUSH, Lane.NORMAL, clients, 2)
    assert (len(clients), len(rows)) == (2, 3)
    for query in caught.captured_queries[1:]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "carillon_dlv_client" in plan
        assert "carillon_dlv_due" not in plan
        assert "Sort  (cost" not in plan
    Delivery.objects.claim_now()  # and to here
