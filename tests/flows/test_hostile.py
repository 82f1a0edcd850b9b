"""What a lying provider, a malicious user or a careless client must not be able to do."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import Address, broadcast, notify
from notifications.checks.database import check_hash_key
from notifications.enums import State
from notifications.exceptions import IdempotencyConflict, InvalidData, RequestRejected, UnknownRecipient
from notifications.flows.audiences import members
from notifications.flows.broadcast import plan_page
from notifications.flows.control import launch_draft
from notifications.flows.devices import MOST_DEVICES, Registration, register
from notifications.flows.hash_key import hash_key_is_lost, watch_hash_key
from notifications.flows.launch import BroadcastRequest, launch
from notifications.flows.receive import without_content
from notifications.flows.reconcile import reconcile
from notifications.models import Alert, Delivery, Device, Mark, Notification, Receipt, RefusedRequest
from notifications.sandbox.credentials import WEBHOOK_SECRET
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers
from tests.live import work

pytestmark = pytest.mark.django_db
INVOICE = {"order": {"number": "1", "total": 2}}


def receipt_for(delivery: Delivery, provider: str, kind: str, attempt: int) -> None:
    """Store what a provider claims about a delivery, and reconcile it."""
    now = timezone.now()
    Receipt.objects.create(
        provider=provider,
        event_key=f"{provider} {kind} {attempt}",
        kind=kind,
        delivery_id=delivery.pk,
        attempt=attempt,
        received_at=now,
        due_at=now,
    )
    reconcile()


@pytest.mark.parametrize("kind", ["delivered", "bounced", "undelivered"])
@pytest.mark.parametrize(
    ("provider", "attempt"), [("email", 0), ("email", 1), ("twilio", 0), ("twilio", 1), ("nobody", 1)]
)
def test_no_provider_settles_what_it_was_not_given(
    sandbox: SandboxProcess, person: Callable[..., User], kind: str, provider: str, attempt: int
) -> None:
    delivery = notify(person(phone="+4915112348001"), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    receipt_for(delivery, provider, kind, attempt)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt) == (State.PENDING, 0)
    work()
    delivery.refresh_from_db()
    assert delivery.state == State.SENT


def test_another_account_cannot_settle_what_was_sent(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    delivery = notify(person(phone="+4915112348002"), "login-code", {"code": "1"}, channels=["sms"]).deliveries.get()
    work()
    receipt_for(delivery, "email", "delivered", 1)
    delivery.refresh_from_db()
    assert delivery.state == State.SENT
    receipt_for(delivery, "twilio", "delivered", 1)
    delivery.refresh_from_db()
    assert delivery.state == State.DELIVERED


@pytest.mark.parametrize(
    "body",
    [
        '{"RecordType": "Bounce", "Email": "\\ud800@x.y", "MessageID": "\\ud800", "Type": "\\ud800", "ID": 1}',
        '{"RecordType": "Bounce", "Email": 5, "MessageID": "m", "Type": "HardBounce", "ID": 2}',
        '{"RecordType": "Bounce", "Email": ["a"], "MessageID": 7, "Type": "HardBounce", "ID": 3}',
        '{"RecordType": "Bounce", "Email": "a\\u0000@x.y", "MessageID": "\\u0000", "Type": "HardBounce", "ID": 4}',
        "[" * 200_000,
        '"text"',
        "{}",
    ],
)
def test_odd_callbacks_are_no_server_error(sandbox: SandboxProcess, client: Client, body: str) -> None:
    answer = client.post(
        "/webhooks/email/",
        body,
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(WEBHOOK_SECRET.encode()).decode()},
    )
    assert answer.status_code in (200, 400, 403), answer.content
    while reconcile():
        pass


@pytest.mark.parametrize("users", [[None], [True], [{}], [[]], [1e400], ["x" * 10_000], [10**30]])
def test_an_odd_list_of_users_is_refused_or_empty(db: None, users: list[object]) -> None:
    with contextlib.suppress(InvalidData):
        launch(BroadcastRequest("new-post", {"users": users}, {"title": "T"}))
        assert not list(members({"users": users}))


@pytest.mark.parametrize("other", [{"sms": "+4915112348009"}, {"locale": "de"}, {"time_zone": "Asia/Tokyo"}])
def test_a_changed_address_is_another_request(db: None, other: dict[str, str]) -> None:
    first = {"email": "same@example.com", "sms": "+4915112348008"}
    notify(Address(**first), "invoice", INVOICE, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        notify(Address(**{**first, **other}), "invoice", INVOICE, idempotency_key="k")


def test_nobody_takes_a_mailbox_away(person: Callable[..., User]) -> None:
    victim, attacker = person(), person()
    register(victim.pk, Registration(channel="email", address="Vic.Tim@example.com"))
    register(attacker.pk, Registration(channel="email", address="vic.tim@example.com"))
    assert Device.objects.get(user=victim).is_active


def test_a_signed_in_user_registers_push_devices_only(client: Client, person: Callable[..., User]) -> None:
    client.force_login(person())
    body = json.dumps({"channel": "sms", "address": "+4915112348010"})
    answer = client.post("/api/v1/users/me/devices/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "push_only"
    assert not Device.objects.exists()


def test_devices_of_one_user_do_not_grow_without_end(person: Callable[..., User]) -> None:
    user = person()
    for number in range(MOST_DEVICES + 3):
        register(user.pk, Registration(platform="android", address=f"token-many-{number:04d}"))
    active = Device.objects.filter(user=user, is_active=True)
    assert active.count() == MOST_DEVICES
    assert Device.objects.filter(user=user, deactivated_reason="too_many").count() == 3
    assert active.filter(address=f"token-many-{MOST_DEVICES + 2:04d}").exists()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"name": "followers", "params": {"author_id": None}}, "wrong_params"),
        ({"name": "followers", "params": {"author_id": "7"}}, "wrong_params"),
        ({"name": "followers", "params": {"author_id": True}}, "wrong_params"),
        ({"topic": "no-such-topic"}, "unknown_topic"),
        ({"topic": None}, "unknown_topic"),
        ({"topic": "nul\x00"}, "unknown_topic"),
        ({"broadcast": "x", "state": "failed"}, "unknown_state"),
    ],
)
def test_an_audience_is_never_more_than_was_asked_for(db: None, wanted: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidData) as caught:
        list(members(wanted))
    assert [problem.code for problem in caught.value.problems] == [code]


@pytest.mark.parametrize("written", [" {}", "+{}", "{}.0", "0{}", "{} "])
def test_a_user_is_named_as_the_key_is_written(person: Callable[..., User], written: str) -> None:
    user = person("token-written-01")
    assert notify(str(user.pk), "new-follower", {"name": "A"})
    with pytest.raises(UnknownRecipient):
        notify(written.format(user.pk), "new-follower", {"name": "A"})


def test_tokens_are_compared_to_the_letter(person: Callable[..., User]) -> None:
    first, second = person("Token-Case-0001"), person("tOKEN-cASE-0001")
    assert Device.objects.filter(user__in=[first, second], is_active=True).count() == 2


def test_a_drafts_lifetime_runs_from_its_launch(person: Callable[..., User]) -> None:
    Follow.objects.create(user=person("token-draft-0001"), author_id=7)
    made = broadcast("new-post", followers(author_id=7), {"title": "T"}, ttl=60, draft=True)
    long_ago = timezone.now() - timedelta(hours=1)
    Notification.objects.filter(pk=made.notification_id).update(
        created_at=long_ago, expires_at=long_ago + timedelta(seconds=60)
    )
    launch_draft(made.pk)
    plan_page(made.pk)
    assert Delivery.objects.get(notification_id=made.notification_id).state == State.PENDING


_MAIL = {
    "messageId": "0102",
    "commonHeaders": {"subject": "Your code is 493021"},
    "headers": [{"name": "Subject", "value": "Your code is 493021"}, {"name": "X-Metadata", "value": "kept"}],
}
_BY_SNS = {"Type": "Notification", "Message": json.dumps({"notificationType": "Bounce", "mail": _MAIL})}
_MANDRILL = json.dumps([{"event": "hard_bounce", "msg": {"subject": "Your code is 493021", "_id": "kept"}}])


def _deep(text: str) -> bytes:
    """Return JSON in a string in JSON, over and over."""
    for _ in range(8):
        text = json.dumps({"Message": text})
    return text.encode()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(_BY_SNS).encode(),
        json.dumps({"batch": [json.dumps(_BY_SNS)]}).encode(),
        json.dumps({"Message": json.dumps(json.dumps({"subject": "493021"}))}).encode(),
        json.dumps({"Message": " \n" + json.dumps({"Subject": "493021"})}).encode(),
        urlencode({"mandrill_events": _MANDRILL}).encode(),
        _deep('{"subject": "493021"}'),
        (b"[" * 100_000) + b'{"subject": "493021"}' + (b"]" * 100_000),
        b'{"RecordType": "Bounce", "Content": "your code is 493021", "Details": {"Body": "493021"}}',
        b"MessageSid=SM1&Body=493021&MessageStatus=received",
        b'{"broken": "json", "Content": ',
    ],
)
def test_what_a_callback_quotes_is_not_kept(body: bytes) -> None:
    assert "493021" not in without_content(body)


def test_what_a_callback_says_beside_it_is_kept() -> None:
    kept = json.loads(json.loads(without_content(json.dumps(_BY_SNS).encode()))["Message"])
    assert kept["notificationType"] == "Bounce"
    assert kept["mail"]["headers"] == [{"name": "Subject"}, {"name": "X-Metadata", "value": "kept"}]
    [event] = json.loads(
        dict(parse_qsl(without_content(urlencode({"mandrill_events": _MANDRILL}).encode())))["mandrill_events"]
    )
    assert event == {"event": "hard_bounce", "msg": {"_id": "kept"}}
    assert json.loads(without_content(b'{"Details": "[no JSON", "n": 1}')) == {"Details": "[no JSON", "n": 1}


def test_a_refused_request_keeps_no_word_of_the_callers(person: Callable[..., User]) -> None:
    with pytest.raises(RequestRejected):
        notify(person(), "my code is 493021", {})
    with pytest.raises(RequestRejected):
        notify(person(), "login-code", {"code": "1", "code_is_493021": 1})
    assert "493021" not in str(list(RefusedRequest.objects.values()))


def test_losing_the_oldest_key_is_noticed(settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ENCRYPTION_KEYS": ["new", "old"]}
    Mark.objects.all().delete()
    assert not hash_key_is_lost()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ENCRYPTION_KEYS": ["newest", "new", "old"]}
    assert not hash_key_is_lost()
    assert check_hash_key(databases=["default"]) == []
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ENCRYPTION_KEYS": ["newest", "new"]}
    watch_hash_key()
    assert Alert.objects.filter(kind="hash_key_lost").exists()
    assert [found.id for found in check_hash_key(databases=["default"])] == ["carillon.E053"]
