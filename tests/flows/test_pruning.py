"""Pruning: dead tokens go with a reason, mass deaths stop at the brake, and everything can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import Address, notify
from notifications.cipher import address_hash
from notifications.enums import Channel, DeactivatedReason, State, SuppressionCause
from notifications.exceptions import InvalidRecipient
from notifications.flows import operate, prune, watch
from notifications.flows.consequences import act_on
from notifications.flows.devices import Registration, register
from notifications.flows.operate import By
from notifications.flows.prune import Answers, Pruned, would_restore
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.models import Alert, AuditEntry, Delivery, Device, PruningTally, Suppression
from notifications.rules.identity import new_id
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Make = Callable[..., User]
BY = By("ada", "the key was wrong")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _nothing_untold() -> Iterator[None]:
    prune._untold.clear()
    yield
    prune._untold.clear()


@pytest.fixture
def user(person: Make) -> User:
    return person()


def devices(user: User, count: int, word: str = "token") -> list[str]:
    """Give a user devices, and return their tokens."""
    tokens = [f"{word}-{number:05d}" for number in range(count)]
    Device.objects.bulk_create(
        Device(
            user=user, platform="android", token_type="fcm", address=token,
            address_hash=address_hash(Channel.PUSH, token), last_seen_at=timezone.now(),
        )
        for token in tokens
    )  # fmt: skip
    return tokens


def answer(token: str, error: InvalidRecipient | None = None) -> SendResult:
    return SendResult(OutboundMessage(new_id(), 1, 0, Channel.PUSH, token, Content()), error=error)


def gone(token: str, **details: Any) -> SendResult:
    return answer(token, InvalidRecipient("fcm", "UNREGISTERED", "gone", **details))


def claim_of(results: Sequence[SendResult], group: int = 64, asked_at: datetime | None = None) -> Answers:
    """Let one claim's answers be recorded group by group."""
    answers = Answers("fcm", asked_at or timezone.now())
    for start in range(0, len(results), group):
        for result in results[start : start + group]:
            answers.count(result)
        written(answers, results[start : start + group])
    answers.close()
    return answers


def written(answers: Answers, results: Sequence[SendResult]) -> None:
    """Let a group be recorded in a transaction that commits."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        act_on(answers, results)


def active() -> int:
    return Device.objects.filter(is_active=True).count()


def test_a_dead_token_goes_with_its_reason_and_provider(sandbox: SandboxProcess, person: Make) -> None:
    made = notify(person("dead-token-0001", "live-token-0001"), "new-follower", {"name": "A"})
    work()
    device = Device.objects.get(address="dead-token-0001")
    assert (device.is_active, device.deactivated_reason, device.deactivated_by) == (False, "unregistered", "fcm")
    assert Device.objects.get(address="live-token-0001").is_active
    states = dict(Delivery.objects.filter(notification=made).values_list("address", "state"))
    assert states == {"dead-token-0001": State.FAILED, "live-token-0001": State.SENT}
    assert PruningTally.objects.get().gone == 1


def test_a_wrong_key_costs_no_device(user: User) -> None:
    tokens = devices(user, 200)
    claim_of([gone(token) for token in tokens])
    assert active() == 200
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("pruning_braked", "fcm")
    assert "200 of the last hour's 200" in alert.detail


def test_the_usual_share_is_pruned(user: User) -> None:
    tokens = devices(user, 200)
    claim_of([gone(token) if number % 10 == 0 else answer(token) for number, token in enumerate(tokens)])
    assert active() == 180
    assert not Alert.objects.exists()


def test_a_trickle_of_dead_tokens_is_stopped_within_the_hour(user: User) -> None:
    """One message a claim, half of them dead: no claim is large enough to tell, the hour is."""
    PruningTally.objects.create(provider="fcm", slot=ten_minutes_ago(), results=900, gone=90)
    tokens = devices(user, 200)
    for number, token in enumerate(tokens):
        claim_of([gone(token) if number % 2 else answer(token)])
    left = active()
    assert 140 < left < 160
    assert Alert.objects.get().kind == "pruning_braked"
    # What is older than an hour says nothing any more, and another provider has a brake of its own.
    assert PruningTally.objects.add("apns", 1, 1).gone == 1


def ten_minutes_ago() -> datetime:
    now = timezone.now() - timedelta(minutes=10)
    return now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)


def test_answers_without_a_dead_token_count_and_cost_no_statement(user: User) -> None:
    tokens = devices(user, 200)
    with CaptureQueriesContext(connection) as caught:
        claim_of([answer(token) for token in tokens[:150]])
    assert not caught.captured_queries
    claim_of([gone(token) for token in tokens[150:155]])
    tally = PruningTally.objects.get()
    assert (tally.results, tally.gone) == (155, 5)


def test_what_a_write_that_failed_had_counted_is_counted_by_the_next(user: User) -> None:
    tokens = devices(user, 100)
    claim_of([answer(token) for token in tokens[:40]])
    answers = Answers("fcm", timezone.now())
    results = [gone(tokens[40]), *(answer(token) for token in tokens[41:60])]
    for result in results:
        answers.count(result)
    with transaction.atomic():
        act_on(answers, results)
        transaction.set_rollback(True)
    assert not PruningTally.objects.exists()
    written(answers, results)
    answers.close()
    tally = PruningTally.objects.get()
    assert (tally.results, tally.gone) == (60, 1)
    claim_of([gone(tokens[60])])
    tally.refresh_from_db()
    assert (tally.results, tally.gone) == (61, 2), "each counts once"


def test_an_operator_lets_pruning_go_on(user: User) -> None:
    tokens = devices(user, 300)
    claim_of([gone(token) for token in tokens[:100]])
    # While the brake is on, no single one goes either, though it alone would be none too many.
    claim_of([gone(tokens[0])])
    assert active() == 300
    operate.acknowledge([Alert.objects.get().pk], user.pk, By("ada", "they are really dead"))
    claim_of([gone(token) for token in tokens[:100]])
    assert active() == 200
    # An hour later it is judged anew.
    Alert.objects.update(acknowledged_at=timezone.now() - 2 * HOUR)
    claim_of([gone(token) for token in tokens[100:200]])
    assert active() == 200
    assert Alert.objects.filter(acknowledged_at=None).count() == 1


def test_a_wrong_project_quarantines_nobody_at_large(user: User) -> None:
    tokens = devices(user, 100)
    claim_of([gone(token, quarantine=True) for token in tokens])
    assert active() == 100
    assert Alert.objects.get().kind == "pruning_braked"


def test_quarantine_is_counted_shown_and_kept(user: User) -> None:
    tokens = devices(user, 10)
    claim_of([gone(token, quarantine=True) for token in tokens[:2]])
    claim_of([gone(tokens[2], quarantine=True)])
    assert Device.objects.filter(deactivated_reason=DeactivatedReason.QUARANTINED, deactivated_by="fcm").count() == 3
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject, alert.count) == ("devices_quarantined", "fcm", 2)
    assert alert.detail.startswith("3 devices")


def test_a_token_that_died_before_it_was_registered_again_stays(user: User) -> None:
    dead, back = devices(user, 2)
    seen = Device.objects.get(address=back).last_seen_at
    claim_of([gone(dead, since=seen + HOUR), gone(back, since=seen - HOUR)], asked_at=seen + HOUR)
    assert list(Device.objects.filter(is_active=True).values_list("address", flat=True)) == [back]


def test_a_late_answer_does_not_undo_a_registration(user: User) -> None:
    token = devices(user, 1)[0]
    asked_at = timezone.now()
    register(user.pk, Registration(platform="android", address=token))
    claim_of([gone(token)], asked_at=asked_at)
    assert active() == 1


def test_who_opted_out_is_suppressed_and_keeps_the_device(user: User) -> None:
    register(user.pk, Registration(channel="sms", address="+4915112342001"))
    message = OutboundMessage(new_id(), 1, 0, Channel.SMS, "+4915112342001", Content())
    error = InvalidRecipient("twilio", "21610", "opted out", suppress=True)
    act_on(Answers("twilio", timezone.now()), [SendResult(message, error=error)])
    assert active() == 1
    assert Suppression.objects.get().cause == SuppressionCause.STOP


def test_a_mailbox_that_does_not_exist_is_suppressed_as_a_bounce() -> None:
    message = OutboundMessage(new_id(), 1, 0, Channel.EMAIL, "nobody@example.com", Content())
    error = InvalidRecipient("mail", "550 5.1.1", "no such mailbox", suppress=True)
    act_on(Answers("mail", timezone.now()), [SendResult(message, error=error)])
    assert Suppression.objects.get().cause == SuppressionCause.HARD_BOUNCE


def dead(address: str, channel: Channel = Channel.SMS) -> SendResult:
    """The answer that there is no such number or mailbox, which names no suppression list."""
    message = OutboundMessage(new_id(), 1, 0, channel, address, Content())
    return SendResult(message, error=InvalidRecipient(f"{channel}-provider", "21211", "no such number"))


@pytest.mark.parametrize(("channel", "address"), [("sms", "+4915112342003"), ("email", "nobody@example.com")])
def test_an_address_that_is_no_device_is_suppressed(sandbox: SandboxProcess, channel: str, address: str) -> None:
    claim_of([dead(address, Channel(channel))])
    found = Suppression.objects.get()
    assert (found.channel, found.cause, found.source, found.expires_at) == (channel, "hard_bounce", "fcm", None)
    slug, data = (
        ("login-code", {"code": "1"}) if channel == "sms" else ("invoice", {"order": {"number": "A", "total": 3}})
    )
    sent = notify(Address(**{channel: address}), slug, data, channels=[channel])
    work()
    row = Delivery.objects.get(notification=sent)
    assert (row.state, row.reason) == (State.SKIPPED, "suppression")


def test_a_number_that_is_a_device_loses_the_device_alone(user: User) -> None:
    """However often it is answered: whoever registers the number anew is written to."""
    number = "+4915112342004"
    register(user.pk, Registration(channel="sms", address=number))
    asked_at = timezone.now()
    claim_of([dead(number), dead(number)], group=1, asked_at=asked_at)
    assert active() == 0
    assert not Suppression.objects.exists()
    # Another claim later, to an address that is nobody's device any more.
    claim_of([dead(number)])
    assert Suppression.objects.get().address_hash == address_hash("sms", number)


def test_the_brake_keeps_addresses_from_being_suppressed() -> None:
    claim_of([dead(f"+49151123{number:05d}") for number in range(60)])
    assert not Suppression.objects.exists()
    assert Alert.objects.get().kind == "pruning_braked"


def refused(number: int, channel: Channel = Channel.EMAIL) -> SendResult:
    """The answer that says itself that the address must not be written to any more."""
    address = f"n{number}@example.com" if channel == Channel.EMAIL else f"+49151123{number:05d}"
    message = OutboundMessage(new_id(), 1, 0, channel, address, Content())
    return SendResult(message, error=InvalidRecipient("mail", "5.1.1", "no such mailbox", suppress=True))


def test_a_relay_without_its_table_of_users_suppresses_nobody() -> None:
    claim_of([refused(number) for number in range(60)])
    assert not Suppression.objects.exists()
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("pruning_braked", "fcm")
    assert "60 of the last hour's 60" in alert.detail


def test_the_usual_share_of_mailboxes_is_suppressed() -> None:
    claim_of([refused(number) if number % 10 == 0 else answer(f"token-{number}") for number in range(100)])
    assert set(Suppression.objects.values_list("cause", "source")) == {("hard_bounce", "fcm")}
    assert Suppression.objects.count() == 10
    tally = PruningTally.objects.get()
    assert (tally.results, tally.gone) == (100, 10)


def test_an_opt_out_is_heeded_whatever_the_brake_says() -> None:
    claim_of([refused(number, Channel.SMS) for number in range(60)])
    assert set(Suppression.objects.values_list("cause", flat=True)) == {"stop"}
    assert Suppression.objects.count() == 60
    assert not Alert.objects.exists()
    assert not PruningTally.objects.exists()


def test_a_mailbox_that_bounced_is_suppressed_and_keeps_its_device(user: User) -> None:
    register(user.pk, Registration(channel="email", address="n1@example.com"))
    claim_of([refused(1)])
    assert active() == 1
    assert Suppression.objects.get().cause == SuppressionCause.HARD_BOUNCE


def test_a_dead_token_that_is_no_device_is_not_suppressed() -> None:
    claim_of([gone("token-of-nobody"), gone("token-of-another", quarantine=True)])
    assert not Suppression.objects.exists()


def test_everything_that_fcm_called_dead_since_two_comes_back(user: User, person: Make) -> None:
    tokens = devices(user, 60)
    noon = timezone.now() - 3 * HOUR
    claim_of([gone(token) for token in tokens[:20]])
    Device.objects.filter(address__in=tokens[:5]).update(deactivated_at=noon)
    Device.objects.filter(address__in=tokens[5:8]).update(deactivated_by="apns")
    Device.objects.filter(address__in=tokens[8:10]).update(deactivated_reason=DeactivatedReason.REMOVED)
    register(person().pk, Registration(platform="android", address=tokens[10]))
    pruned = Pruned(DeactivatedReason.UNREGISTERED, timezone.now() - HOUR, provider="fcm")
    assert would_restore(pruned) == (10, 9)
    before = active()
    assert operate.undo_pruning(pruned, BY) == 9
    assert active() == before + 9
    assert would_restore(pruned) == (1, 0)
    entry = AuditEntry.objects.get(action="undo_pruning")
    assert (entry.actor, entry.reason, entry.subject, entry.planned, entry.done) == (
        "ada", BY.reason, "unregistered fcm", 10, 9,
    )  # fmt: skip
    back = Device.objects.get(address=tokens[19])
    assert (back.is_active, back.deactivated_reason, back.deactivated_by) == (True, "", "")
    assert back.restored_at is not None


def test_an_undo_goes_by_pages(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_BATCH", 7)
    tokens = devices(user, 40)
    Device.objects.filter(address__in=tokens[:30]).update(
        is_active=False, deactivated_reason=DeactivatedReason.PRUNED, deactivated_at=timezone.now()
    )
    pruned = Pruned(DeactivatedReason.PRUNED, timezone.now() - HOUR, timezone.now())
    assert would_restore(pruned) == (30, 30)
    assert operate.undo_pruning(pruned, BY) == 30
    assert active() == 40


def test_stale_devices_go_if_the_settings_say_so(user: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = devices(user, 10)
    long_ago = timezone.now() - timedelta(days=271)
    Device.objects.filter(address__in=tokens[:7]).update(last_seen_at=long_ago)
    sms, _ = register(user.pk, Registration(channel="sms", address="+4915112342002"))
    Device.objects.filter(pk=sms.pk).update(last_seen_at=long_ago)
    watch.prune_unseen()
    assert active() == 11, "off unless set"
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RETENTION": {"stale_devices_days": 270}}
    monkeypatch.setattr(watch, "_STALE_BATCH", 5)
    watch.prune_unseen()
    assert active() == 6
    watch.prune_unseen()
    assert active() == 4
    assert set(Device.objects.filter(is_active=False).values_list("deactivated_reason", flat=True)) == {"stale"}
    assert operate.undo_pruning(Pruned(DeactivatedReason.STALE, timezone.now() - HOUR), BY) == 7
    watch.prune_unseen()
    assert active() == 11, "what was brought back is not pruned again at once"


def test_what_is_brought_back_at_this_moment_is_not_stale(user: User) -> None:
    devices(user, 3)
    long_ago = timezone.now() - timedelta(days=300)
    Device.objects.update(last_seen_at=long_ago)
    back = Device.objects.latest("pk").pk
    restored: list[int] = []

    def just_before(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "carillon_device"') and not restored:
            restored.append(1)
            Device.objects.filter(pk=back).update(restored_at=timezone.now())
        return execute(sql, *rest)

    with connection.execute_wrapper(just_before):
        assert prune.prune_stale(timezone.now() - timedelta(days=270), 10) == 2
    assert list(Device.objects.filter(is_active=True).values_list("pk", flat=True)) == [back]


def test_counts_are_forgotten(user: User) -> None:
    PruningTally.objects.create(provider="fcm", slot=timezone.now() - timedelta(days=2), results=1, gone=1)
    PruningTally.objects.create(provider="fcm", slot=timezone.now(), results=1, gone=1)
    watch.forget_counts()
    assert PruningTally.objects.count() == 1
