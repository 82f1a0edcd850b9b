"""Whatever was refused is kept for the timeline: who asked, for whom, which template and why; never the data."""

from __future__ import annotations

from typing import Any

import pytest

from notifications import Address
from notifications.flows.recipients import find_recipient
from notifications.models import RefusedRequest
from tests.api.conftest import Caller, login_code, make_caller, order
from tests.api.test_broadcasts import body

pytestmark = pytest.mark.django_db
SECRET = "secret-493021"


def kept() -> tuple[str, str, str, str]:
    """Return the one row that was left."""
    row = RefusedRequest.objects.get()
    assert SECRET not in str(vars(row))
    assert row.owner == "shop"
    assert row.request_id
    return row.recipient, row.template, row.reason, row.detail


def test_a_key_without_the_scope(person: Any) -> None:
    user = person()
    assert make_caller("read").notify(login_code(user, data={"code": SECRET})).status_code == 403
    found = (f"u:{user.pk}", "login-code", "permission-denied", "This needs an API key with the scope send.")
    assert kept() == found


def test_a_request_without_an_idempotency_key(call: Caller, person: Any) -> None:
    user = person()
    assert call("POST", "notifications/", login_code(user, data={"code": SECRET})).status_code == 400
    assert kept()[:3] == (f"u:{user.pk}", "login-code", "idempotency-key-missing")


def test_a_field_that_is_wrong(call: Caller, person: Any) -> None:
    user = person()
    assert call.notify(order(user, **{SECRET: SECRET})).status_code == 400
    assert kept()[:3] == (f"u:{user.pk}", "order-shipped", "invalid-request")


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [(b'{"data": "' + SECRET.encode(), 400, "malformed-request"), (b" " * 300_000, 413, "too-large")],
)
def test_a_body_that_cannot_be_read(call: Caller, raw: bytes, status: int, reason: str) -> None:
    assert call.notify(raw).status_code == status
    assert kept()[:3] == ("", "", reason)


def test_an_address_is_found_by_itself_and_kept_hashed(call: Caller) -> None:
    to = {"email": "ada@example.com"}
    assert call.notify({"to": to, "template": "login-code", "data": {"kode": SECRET}}).status_code == 400
    recipient = kept()[0]
    assert recipient == find_recipient(Address(**to)).recipient
    assert "ada" not in recipient


def test_a_broadcast_and_a_batch(call: Caller, person: Any) -> None:
    user = person()
    assert make_caller("read")("POST", "broadcasts/", body([user]), Idempotency_Key="b").status_code == 403
    assert kept()[:3] == ("", "new-post", "permission-denied")
    assert call("POST", "notifications/batch/", {"items": []}).status_code == 400
    assert RefusedRequest.objects.filter(reason="invalid-request").count() == 1


@pytest.mark.parametrize("to", [{"email": 5}, {"email": "nobody"}, {"sms": None}, [], {}, "x"])
def test_what_can_be_no_address_is_kept_without_one(call: Caller, to: Any) -> None:
    assert call.notify({"to": to, "template": "login-code", "data": {"code": SECRET}}).status_code == 400
    assert kept()[0] == ""


def test_what_nobody_asked_for_is_not_kept(call: Caller, person: Any) -> None:
    assert Caller("ck_abcdefghij_x", call.client).notify(order(person())).status_code == 401
    assert call("GET", "notifications/?usr=1").status_code == 400
    assert call("PUT", "notifications/", {}).status_code == 405
    assert not RefusedRequest.objects.exists()
