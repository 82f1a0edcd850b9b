"""Nobody sends what others took over or keeps what it does not know to hold, and somebody's lock harms one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from notifications import notify
from notifications.enums import Channel, Lane, State
from notifications.flows import outcomes
from notifications.flows import sweep as sweeping
from notifications.flows.claim import Batch, claim
from notifications.flows.declare import load_declarations
from notifications.flows.deliver import deliver
from notifications.messages import OutboundMessage, SendResult
from notifications.models import Claim, Delivery
from notifications.providers.base import PushAdapter
from notifications.sandbox.process import SandboxProcess

LANES = tuple(Lane)


@pytest.fixture
def batch(sandbox: SandboxProcess, person: Callable[..., User]) -> Batch:
    """A claim of three pushes."""
    for number in range(3):
        notify(person(f"token-taken-{number}"), "new-follower", {"name": "A"})
    return claim_pushes("worker:1:x")


class Numbered(PushAdapter):
    """A host's own adapter, on threads."""

    given: Iterator[Any] = iter([12345, None, b"x"])

    def hand_over(self, message: OutboundMessage) -> str:
        return next(self.given)  # type: ignore[no-any-return]  # as one without types may


def claim_pushes(worker: str) -> Batch:
    claimed = claim(Channel.PUSH, LANES, worker)
    assert claimed.batch is not None
    return claimed.batch


@contextmanager
def held_elsewhere(key: UUID) -> Iterator[None]:
    """Lock a delivery from another connection."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        other.set_autocommit(False)
        cursor.execute("SELECT 1 FROM carillon_delivery WHERE id = %s FOR UPDATE", [key])
        try:
            yield
        finally:
            other.rollback()


def states() -> list[str]:
    return sorted(Delivery.objects.values_list("state", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_could_not_be_given_up_whole_is_nobodys(sandbox: SandboxProcess, batch: Batch) -> None:
    """Its worker was in mid-commit when it froze for longer than its lease."""
    Claim.objects.update(started_upto=1, lease_expires_at=timezone.now() - timedelta(seconds=1))
    with held_elsewhere(batch.deliveries[0].pk):
        sweeping.expire_leases()
    assert states() == ["pending", "pending", "sending"]
    deliver(batch, lambda: True)
    mine = {str(row.pk) for row in batch.deliveries}
    assert not [message for message in sandbox.client.messages() if message.delivery in mine]
    Claim.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    sweeping.expire_leases()
    sweeping.adopt_orphans()
    assert "sending" not in states()
    assert not Claim.objects.exists()


@pytest.mark.django_db
def test_only_the_claims_in_hand_are_renewed(batch: Batch, person: Callable[..., User]) -> None:
    """One whose commit the worker never heard of is taken over, however long the worker has others."""
    lost = batch.claim_id
    before = Claim.objects.get(pk=lost).lease_expires_at
    notify(person("token-taken-9"), "new-follower", {"name": "A"})
    second = claim_pushes("worker:1:x")
    notify(person("token-taken-10"), "new-follower", {"name": "A"})
    third = claim_pushes("worker:1:x")
    Claim.objects.update(lease_expires_at=before)
    seen: dict[int, bool] = {}

    def nested() -> bool:
        if not seen:
            seen[0] = True
            deliver(third, lambda: True)
            seen.update({claim.pk: claim.lease_expires_at > before for claim in Claim.objects.all()})
        return True

    def asking(messages: Iterable[OutboundMessage], idle: Callable[[], None]) -> Iterator[SendResult]:
        for message in messages:
            Claim.objects.update(lease_expires_at=before)
            idle()
            yield second.adapter.start(message).result()

    with pytest.MonkeyPatch.context() as patch:
        real = second.adapter.send_many
        ways = [real, asking]

        def send_many(messages: Iterable[OutboundMessage], idle: Callable[[], None]) -> Iterator[SendResult]:
            return ways.pop()(messages, idle)

        patch.setattr(second.adapter, "send_many", send_many)
        deliver(second, nested)
    assert seen[second.claim_id], "it waits while something more urgent is served"
    assert not seen[lost]


@pytest.mark.django_db(transaction=True)
def test_what_somebody_else_holds_costs_its_neighbours_nothing(batch: Batch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")
    try:
        with held_elsewhere(batch.deliveries[1].pk):
            deliver(batch, lambda: True)
            assert states() == ["sending", "sent", "sent"]
    finally:
        connection.close()
    assert Claim.objects.filter(pk=batch.claim_id).exists(), "or nobody would look at it again"
    Claim.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    sweeping.expire_leases()
    assert states() == ["sent", "sent", "uncertain"]


@pytest.mark.django_db(transaction=True)
def test_what_is_held_elsewhere_than_in_the_log_costs_no_answer(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that an import holds, say: the answers are kept until it lets go."""
    for number in range(2):
        notify(person(f"token-held-{number}"), "new-follower", {"name": "A"})
    held = claim_pushes("worker:1:x")
    act_on, tries = outcomes.act_on, iter(range(3))

    def late_twice(*given: object) -> None:
        if next(tries) < 2:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '50ms'")
                cursor.execute("SELECT pg_sleep(60)")
        act_on(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(outcomes, "act_on", late_twice)
    deliver(held, lambda: True)
    assert states() == ["sent", "sent"]
    assert not Claim.objects.exists()


@pytest.mark.django_db
def test_a_fault_in_more_urgent_work_leaves_what_is_in_flight_alone(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty() -> bool:
        raise TypeError("a defect")

    def asking(messages: Iterable[OutboundMessage], idle: Callable[[], None]) -> Iterator[SendResult]:
        for message in messages:
            idle()
            yield batch.adapter.start(message).result()

    monkeypatch.setattr(batch.adapter, "send_many", asking)
    deliver(batch, faulty)
    assert states() == ["sent"] * 3


@pytest.mark.django_db
def test_an_id_that_is_no_text_is_no_reason_for_doubt(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch.adapter, "send_many", Numbered("numbered", {}).send_many)
    deliver(batch, lambda: True)
    assert states() == ["sent"] * 3
    assert "12345" in Delivery.objects.values_list("provider_message_id", flat=True)


@pytest.mark.django_db
def test_many_fallbacks_at_once_are_the_sweepers(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_declarations()
    for number in range(5):
        notify(person(f"dead-many-{number}"), "price-alert", {"product": "Bell"})
    monkeypatch.setattr(outcomes, "_FALLBACK_SECONDS", -1.0)
    deliver(claim_pushes("w"), lambda: True)
    assert not Delivery.objects.filter(channel=Channel.EMAIL).exists()
    assert Delivery.objects.filter(state=State.FAILED, fallback_at__lte=Now()).count() == 5
    sweeping.consider_fallbacks()
    assert Delivery.objects.filter(channel=Channel.EMAIL).count() == 5
