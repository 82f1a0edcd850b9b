"""What must hold when our own side misbehaves: a defect, a forced stop, a row nobody looks after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications import Address, notify, wakeups
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import gate
from notifications.flows import outcomes as outcomes_flow
from notifications.flows import sweep as sweeping
from notifications.flows.claim import Batch, claim
from notifications.flows.declare import load_declarations
from notifications.flows.deliver import deliver
from notifications.flows.record import record
from notifications.flows.release import release
from notifications.messages import OutboundMessage, SendResult
from notifications.models import Alert, Category, Claim, Delivery, Notification, ProviderHold
from notifications.models.delivery_queries import standing_of
from notifications.providers.base import Adapter
from notifications.rules.standing import Change, Standing
from notifications.rules.transitions import ended
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
LANES = tuple(Lane)


@pytest.fixture
def batch(sandbox: SandboxProcess, person: Callable[..., User]) -> Batch:
    """A claim of three pushes."""
    for number in range(3):
        notify(person(f"token-robust-{number}"), "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, LANES, "test")
    assert claimed.batch is not None
    return claimed.batch


def states() -> Counter[str]:
    """Count deliveries by state."""
    return Counter(Delivery.objects.values_list("state", flat=True))


def test_a_forced_stop_in_mid_send_doubts_what_was_handed_over_alone(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(messages: Iterator[OutboundMessage], _: object) -> Iterator[SendResult]:
        next(iter(messages))
        raise SystemExit
        yield

    monkeypatch.setattr(batch.adapter, "send_many", stopped)
    with pytest.raises(SystemExit):
        deliver(batch, lambda: True)
    assert states() == {"uncertain": 1, "pending": 2}
    assert not Claim.objects.exists()


def test_what_was_not_started_goes_back(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.conf.START_GROUP", 1)
    deliver(batch, lambda: False)
    assert states() == {"sent": 1, "pending": 2}
    assert not Claim.objects.exists()


def test_one_result_that_cannot_be_recorded_is_doubted_alone(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = batch.deliveries[1].pk
    real = outcomes_flow.record

    def picky(changes: list[Change]) -> object:
        changes = list(changes)
        if any(change.delivery_id == bad and change.after.state == State.SENT for change in changes):
            raise ValueError("a defect")
        return real(changes)

    monkeypatch.setattr(outcomes_flow, "record", picky)
    deliver(batch, lambda: True)
    assert states() == {"sent": 2, "uncertain": 1}
    assert Delivery.objects.get(pk=bad).reason == Reason.LEASE_EXPIRED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("then", ["an alert", "a fallback"])
def test_a_connection_that_ends_right_after_a_write_costs_no_result(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """What was answered meanwhile is recorded all the same; only the next step is left to others."""
    load_declarations()
    token = "dead" if then == "a fallback" else "token"
    for number in range(3):
        notify(person(f"{token}-ends-{number}"), "price-alert", {"product": "Bell"})
    claimed = claim(Channel.PUSH, LANES, "test")
    assert claimed.batch is not None
    if then == "an alert":
        # As another process opens it, which this one notices when it reports.
        gate.breaker("fcm")._storage.step("force", "open")
    count_sent = outcomes_flow.count_sent

    def end_connection(adapter: Adapter, standings: Iterable[Standing]) -> None:
        connection.connection.close()
        count_sent(adapter, standings)

    monkeypatch.setattr(outcomes_flow, "count_sent", end_connection)
    monkeypatch.setattr(outcomes_flow, "largest_group", lambda lane: 1)
    deliver(claimed.batch, lambda: True)
    connection.close()
    assert states() == {"sent" if then == "an alert" else "failed": 3}
    assert not Delivery.objects.filter(possible_duplicate=True).exists()
    assert not Claim.objects.exists()


def test_a_row_under_a_claim_that_is_gone_is_found(batch: Batch) -> None:
    Claim.objects.all().delete()
    sweeping.adopt_orphans()
    assert states() == {"uncertain": 3}


def test_a_claim_is_kept_while_something_is_sent_under_it(batch: Batch) -> None:
    outcomes_flow.release_claim(batch.claim_id)
    assert Claim.objects.filter(pk=batch.claim_id).exists()


def test_an_illegal_step_is_refused_alone_and_raises_an_alert(batch: Batch) -> None:
    first, second = (Delivery.objects.get(pk=row.pk) for row in batch.deliveries[:2])
    digested = ended(standing_of(first), State.DIGESTED, Reason.NONE, timezone.now())
    skipped = ended(standing_of(second), State.SKIPPED, Reason.LIMIT, timezone.now())
    written = record([Change(first.pk, standing_of(first), digested), Change(second.pk, standing_of(second), skipped)])
    assert written == {second.pk}
    assert Alert.objects.filter(kind="illegal_transition").count() == 1


def test_doubt_that_ends_in_a_dead_letter_falls_back(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person(phone="+4915112349001", email="doubt@example.com")
    sent = notify(user, "login-code", {"code": "1"})
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(notification=sent).update(state=State.UNCERTAIN, due_at=past, retries=8, attempt=8)
    sweeping.settle_uncertain()
    sweeping.consider_fallbacks()
    work()
    found = dict(Delivery.objects.filter(notification=sent).values_list("channel", "state"))
    assert found == {"sms": "dead", "email": "sent"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repairs that give way after their first turn, which is two rows."""
    monkeypatch.setattr("notifications.conf.REPAIR_SECONDS", 0.0)
    monkeypatch.setattr(sweeping, "_BATCH", 2)


@pytest.mark.usefixtures("impatient")
def test_a_repair_gives_way_however_much_is_due(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    for number in range(5):
        notify(person(phone=f"+491511234920{number}"), "login-code", {"code": "1"}, channels=["sms"])
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(expires_at=past)
    for done in (2, 4, 5):
        sweeping.expire_pending()
        assert states()["expired"] == done
    for done in (2, 4, 5):
        sweeping.erase_secrets()
        assert Notification.objects.filter(secrets=None).count() == done
    Delivery.objects.update(state=State.UNCERTAIN, due_at=past)
    for done in (2, 4, 5):
        sweeping.settle_uncertain()
        assert states()["pending"] == done
    Delivery.objects.update(state=State.FAILED, fallback_at=past)
    for left in (4, 3, 2, 1, 0):
        sweeping.consider_fallbacks()
        assert Delivery.objects.filter(fallback_at__isnull=False).count() == left


@pytest.mark.usefixtures("impatient")
def test_fallbacks_that_cannot_be_considered_do_not_keep_others_waiting(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    past = timezone.now() - timedelta(seconds=9)
    for number in range(2):
        notify(person(phone=f"+491511234930{number}"), "login-code", {"code": "1"})
    Delivery.objects.update(state=State.FAILED, fallback_at=past - timedelta(seconds=9))
    Category.objects.filter(slug="login").update(slug="renamed")
    whole = notify(person("token-whole-01", email="whole@example.com"), "price-alert", {"product": "Bell"})
    whole.deliveries.update(state=State.FAILED, fallback_at=past)
    for _ in range(3):
        sweeping.consider_fallbacks()
    assert whole.deliveries.filter(channel="email").exists()
    later = Delivery.objects.filter(channel="sms", fallback_at__gt=timezone.now() + timedelta(seconds=30))
    assert later.count() == 2


def test_a_category_that_is_gone_stops_only_its_own_messages(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    broken = notify(Address(email="gone@example.com"), "invoice", {"order": {"number": "1", "total": 2}})
    whole = notify(person(email="whole@example.com"), "login-code", {"code": "1"}, channels=["email"])
    Category.objects.filter(slug="orders").update(slug="renamed")
    work()
    assert Delivery.objects.get(notification=broken).reason == Reason.MISCONFIGURED
    assert Delivery.objects.get(notification=whole).state == State.SENT


def test_releasing_a_hold_lets_what_waited_go_at_once(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    gate.hold("fcm", "maintenance", by="ada", lasting=timedelta(hours=2))
    notify(person("token-hold-0001"), "new-follower", {"name": "A"})
    work()
    assert Delivery.objects.get().reason == Reason.BREAKER_OPEN
    assert release("fcm") == 1
    work()
    assert states() == {"sent": 1}


def test_a_provider_that_holds_itself_leaves_an_operators_hold_alone(sandbox: SandboxProcess) -> None:
    gate.hold("fcm", "maintenance", by="ada", lasting=timedelta(hours=2))
    gate.hold_misconfigured("fcm", "401")
    held = ProviderHold.objects.get(alias="fcm")
    assert (held.held_by, held.reason) == ("ada", "maintenance")


@pytest.mark.parametrize("locale", ["English (United States)", "x" * 40, "../../etc", "de\x00"])
def test_a_locale_that_is_none_does_not_stop_a_message(person: Callable[..., User], locale: str) -> None:
    user = person("token-locale-1")
    user.profile.locale = locale.replace("\x00", "")[:16]
    user.profile.save()
    assert notify(user, "new-follower", {"name": "A"}).deliveries.get().state == State.PENDING
    assert notify(Address(email="l@example.com", locale=locale), "invoice", {"order": {}}).pk


def test_a_slow_provider_keeps_no_login_code_waiting(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    sandbox.client.fault("fcm", "slow", delay=4)
    notify(person("token-slow-0001"), "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, LANES, "test")
    assert claimed.batch is not None
    asked: list[str] = []

    def urgent() -> bool:
        asked.append(Delivery.objects.get().state)
        return True

    deliver(claimed.batch, urgent)
    assert asked.count("sending") >= 2, "urgent work was not looked for while the provider was waited for"
    assert states() == {"sent": 1}


def test_a_channel_that_nobody_serves_raises_an_alert(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    notify(person(phone="+4915112349009"), "login-code", {"code": "1"}, channels=["sms"])
    sweeping.wake_due()
    assert not Alert.objects.exists()
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=sweeping.UNSERVED_SECONDS + 1))
    sweeping.wake_due()
    sweeping.wake_due()
    assert wakeups.waiting("sms") == 1
    assert Alert.objects.get().kind == "channel_unserved"
