"""The providers' door: a genuine callback is stored once; anything else stores nothing and learns nothing."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.test import Client
from django.utils.http import urlencode
from twilio.request_validator import RequestValidator

from notifications.exceptions import WebhookUnverified
from notifications.models import Receipt
from notifications.providers import registry
from notifications.webhooks import LARGEST_BODY
from tests.fixtures import own_redis

__all__ = ["own_redis"]

pytestmark = pytest.mark.django_db
SECRET = django_settings.NOTIFICATIONS["PROVIDERS"]["email"]["OPTIONS"]["webhook_secret"]


def postmark(body: Any, secret: str = SECRET, **more: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return Client().generic("POST", "/webhooks/email/", raw, content_type="application/json", headers=headers, **more)


def bounce() -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "TypeCode": 1,
        "MessageID": str(uuid.uuid4()),
        "Email": "ada@example.com",
        "BouncedAt": "2026-01-01T00:00:00Z",
        "Metadata": {},
    }


def twilio(url: str, signed_for: str, parameters: dict[str, str]) -> Any:
    token = django_settings.NOTIFICATIONS["PROVIDERS"]["twilio"]["OPTIONS"]["auth_token"]
    signature = RequestValidator(token).compute_signature(signed_for, parameters)
    headers = {"X-Twilio-Signature": signature, "X-Forwarded-Host": "evil.test"}
    return Client().post(url, urlencode(parameters), "application/x-www-form-urlencoded", headers=headers)


def test_a_genuine_callback_is_stored_once() -> None:
    body = bounce()
    for _ in range(2):
        answer = postmark(body)
        assert answer.status_code == 200, answer.content
        assert answer.content == b""
    assert Receipt.objects.get().provider == "email"


def test_the_url_is_the_one_that_the_provider_was_told(settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://bells.example/notify"}
    parameters = {"MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered", "AccountSid": "AC" + "0" * 32}
    path = f"/webhooks/twilio/?carillon_id={uuid.uuid4()}.1"
    assert twilio(path, f"https://bells.example/notify{path}", parameters).status_code == 200
    assert Receipt.objects.count() == 1
    assert twilio(path, f"http://testserver{path}", parameters).status_code == 403


@pytest.mark.parametrize("secret", ["hook:wrong", "", "x"])
def test_a_forged_callback_stores_nothing(secret: str) -> None:
    answer = postmark(bounce(), secret)
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"17", b"\xff"])
def test_nonsense_with_the_secret_stores_nothing_and_breaks_nothing(raw: bytes) -> None:
    assert postmark(raw).status_code in {200, 403}
    assert not Receipt.objects.exists()


def test_a_callback_for_nobody() -> None:
    for method in ("GET", "POST"):
        assert Client().generic(method, "/webhooks/none/").status_code == 404


def test_only_post() -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = Client().generic(method, "/webhooks/twilio/")
        assert answer.status_code == 405
        assert answer["Allow"] == "POST"


@pytest.mark.parametrize(("esp", "methods"), [("mandrill", ["HEAD"]), ("unisender_go", ["GET", "HEAD"])])
def test_an_esp_may_look_whether_there_is_anything(settings: Any, esp: str, methods: list[str]) -> None:
    email = settings.NOTIFICATIONS["PROVIDERS"]["email"]
    changed = {**email, "OPTIONS": {**email["OPTIONS"], "esp": esp, "webhook_secret": "its-own-key"}}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PROVIDERS": {"email": changed}, "ROUTES": {"email": ["email"]}}
    registry.reset()
    for method in ("GET", "HEAD", "PUT"):
        answer = Client().generic(method, "/webhooks/email/")
        assert answer.status_code == (200 if method in methods else 405)
        assert answer.content == b"" or answer.status_code == 405
    assert answer["Allow"] == ", ".join(["POST", *methods])
    registry.reset()


def test_what_cannot_be_checked_now_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsure(*_: object) -> None:
        raise WebhookUnverified("Amazon is away.")

    monkeypatch.setattr("notifications.webhooks.receive", unsure)
    answer = postmark(bounce())
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert b"Amazon" not in answer.content


def test_a_callback_that_is_too_large() -> None:
    assert postmark(b"x" * (LARGEST_BODY + 1)).status_code == 413


def test_a_browser_session_and_its_csrf_token_are_not_asked_for() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/webhooks/email/", b"{}", content_type="application/json").status_code == 403
    raw = json.dumps(bounce()).encode()
    secret = base64.b64encode(SECRET.encode()).decode()
    answer = client.post(
        "/webhooks/email/", raw, content_type="application/json", headers={"Authorization": f"Basic {secret}"}
    )
    assert answer.status_code == 200


def test_without_a_database_the_provider_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("notifications.webhooks.receive", away)
    answer = postmark(bounce())
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"


@pytest.mark.parametrize("name", ["MessageID", "Email", "Description", "RecordType", "Type", "ID"])
def test_a_callback_with_text_that_cannot_be_stored_breaks_nothing(name: str) -> None:
    answer = postmark({**bounce(), name: "a\x00b"})
    assert answer.status_code in {200, 403}, answer.content


@pytest.mark.parametrize("attempt", ["99999", "-1", "x", "9" * 400])
def test_a_callback_that_names_an_attempt_that_cannot_be_is_stored_without_it(attempt: str) -> None:
    assert postmark({**bounce(), "Metadata": {"carillon_id": f"{uuid.uuid4()}.{attempt}"}}).status_code == 200
    assert Receipt.objects.get().attempt is None


def test_a_callback_costs_one_statement(own_redis: None, django_assert_num_queries: Any) -> None:
    """Without a transaction around it, this is one round trip and one commit; a repeat costs no more."""
    body = bounce()
    assert postmark(bounce()).status_code == 200
    for _ in range(2):
        with django_assert_num_queries(1):
            assert postmark(body).status_code == 200


def test_a_repeat_wakes_nobody(own_redis: None, django_capture_on_commit_callbacks: Any) -> None:
    body = bounce()
    for expected in (1, 0):
        with django_capture_on_commit_callbacks() as asked:
            assert postmark(body).status_code == 200
        assert len(asked) == expected


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1970-01-01T00:00:00Z"])
def test_a_time_that_nobody_can_mean_is_none(told: str) -> None:
    assert postmark({**bounce(), "BouncedAt": told}).status_code == 200
    receipt = Receipt.objects.get()
    assert receipt.occurred_at is None
    assert receipt.received_at == receipt.due_at
