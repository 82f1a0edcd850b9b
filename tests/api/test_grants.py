"""A key may be for some templates or categories only, and a test key reaches nobody but sandboxes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.enums import Channel, Lane, Reason, State
from notifications.exceptions import InvalidData
from notifications.flows.claim import claim
from notifications.flows.digest import close_digests
from notifications.flows.keys import LONGEST_NAME, create_key, find_key, rotate_key
from notifications.models import ApiKey, Broadcast, Category, Delivery, Digest, Notification, RefusedRequest
from notifications.rules.grants import Grant
from tests.api.conftest import Caller, login_code, make_caller, order
from tests.api.test_broadcasts import body
from tests.fixtures import own_redis, patient_redis

__all__ = ["own_redis", "patient_redis"]
pytestmark = pytest.mark.django_db

LOGIN = Grant(categories=frozenset({"login"}))
INVOICE = Grant(templates=frozenset({"invoice"}))
TEST = Grant(test=True)
SENDING = ("send", "broadcast", "read")


def assert_refused(answer: Any, slug: str = "not-allowed") -> None:
    assert answer.status_code == 403, answer.content
    assert answer.json()["type"].endswith(f"/problems/{slug}/")


@pytest.mark.parametrize(
    ("grant", "fits"),
    [
        (LOGIN, {"login-code"}),
        (INVOICE, set()),
        (Grant(frozenset({"order-shipped"}), frozenset({"login"})), {"login-code", "order-shipped"}),
    ],
)
def test_a_key_sends_what_it_is_for(person: Any, grant: Grant, fits: set[str]) -> None:
    call, user = make_caller("send", grant=grant), person()
    for wanted in (login_code(user), order(user)):
        answer = call.notify(wanted, wanted["template"])
        if wanted["template"] in fits:
            assert answer.status_code == 202, answer.content
        else:
            assert_refused(answer)
    assert set(Notification.objects.values_list("template", flat=True)) == fits


def test_the_refusal_says_what_the_key_is_for_and_is_kept(person: Any) -> None:
    user = person()
    answer = make_caller("send", grant=LOGIN).notify(order(user))
    assert answer.json()["errors"] == [
        {"pointer": "/template", "code": "not_allowed", "detail": "this key is for categories login only"}
    ]
    kept = RefusedRequest.objects.get()
    assert (kept.recipient, kept.template, kept.reason) == (f"u:{user.pk}", "order-shipped", "not-allowed")


def test_each_item_of_a_batch(person: Any) -> None:
    user = person()
    items = [{**login_code(user), "idempotency_key": "a"}, {**order(user), "idempotency_key": "b"}]
    answer = make_caller("send", grant=LOGIN)("POST", "notifications/batch/", {"items": items})
    assert [item["status"] for item in answer.json()["results"]] == [202, 403]


def test_what_was_sent_with_other_templates_is_out_of_reach(call: Caller, person: Any) -> None:
    user, narrow = person(), make_caller(*SENDING, grant=LOGIN)
    theirs = call.notify(login_code(user), "a").json()["id"]
    other = call.notify(order(user), "b").json()["id"]
    made = call("POST", "broadcasts/", body([user], draft=True), Idempotency_Key="c").json()["id"]
    assert narrow("GET", f"notifications/{theirs}/").status_code == 200
    for method, path in (
        ("GET", f"notifications/{other}/"),
        ("GET", f"notifications/{other}/deliveries/"),
        ("POST", f"notifications/{other}/cancel/"),
        ("GET", f"broadcasts/{made}/"),
        ("GET", f"broadcasts/{made}/deliveries/"),
        ("GET", f"broadcasts/{made}/left-out/"),
        ("GET", f"broadcasts/{made}/preview/"),
        ("POST", f"broadcasts/{made}/launch/"),
        ("POST", f"broadcasts/{made}/cancel/"),
    ):
        assert_refused(narrow(method, path))
    assert_refused(narrow("POST", "broadcasts/", body([user]), Idempotency_Key="d"))
    assert_refused(narrow("POST", "broadcasts/estimate/", body([user])))
    assert [row["id"] for row in narrow("GET", "notifications/").json()["results"]] == [theirs]
    assert narrow("GET", "broadcasts/").json()["results"] == []
    assert len(call("GET", "broadcasts/").json()["results"]) == 1
    assert Broadcast.objects.get().status == "draft"


# --- test keys


def test_a_test_key_is_refused_where_somebody_real_is_reached(person: Any) -> None:
    user, call = person(), make_caller(*SENDING, grant=TEST)
    for answer in (call.notify(order(user)), call("POST", "broadcasts/", body([user]), Idempotency_Key="d")):
        assert_refused(answer, "sandbox-only")
        assert "is not in SANDBOX" in answer.json()["errors"][0]["detail"]
    assert not Notification.objects.exists()


def test_every_channel_counts_fallbacks_too(person: Any, settings: Any) -> None:
    user, call = person(), make_caller(*SENDING, grant=TEST)
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["twilio"]}  # email is what a code falls back to
    assert_refused(call.notify(login_code(user, channels=["sms"])), "sandbox-only")
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["twilio", "email"]}
    assert call.notify(login_code(user)).status_code == 202


def test_tests_and_the_rest_share_no_idempotency_keys(call: Caller, person: Any, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["email"]}
    user, test = person(), make_caller(*SENDING, owner="shop", grant=TEST)
    assert test.notify(order(user), "k").status_code == 202
    answer = call.notify(order(user), "k")
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer
    assert set(Notification.objects.values_list("owner", flat=True)) == {"shop", "test:shop"}


def test_what_a_test_key_sent_goes_nowhere_else_when_the_settings_change(
    own_redis: None, person: Any, settings: Any
) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["email"]}
    test = make_caller(*SENDING, grant=TEST)
    assert test.notify(order(person()), "a").status_code == 202
    batch = claim(Channel.EMAIL, tuple(Lane), "test").batch
    assert batch is not None
    assert len(batch.deliveries) == 1
    assert test.notify(order(person()), "b").status_code == 202
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": []}
    assert claim(Channel.EMAIL, tuple(Lane), "test").batch is None
    row = Delivery.objects.order_by("pk").last()
    assert row is not None
    assert (row.state, row.reason) == (State.DEAD, Reason.NO_ROUTE)


def test_a_digest_of_tests_is_a_test(own_redis: None, person: Any, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["email"]}
    Category.objects.filter(slug="orders").update(digest="hourly")
    assert make_caller(*SENDING, grant=TEST).notify(order(person())).status_code == 202
    claim(Channel.EMAIL, tuple(Lane), "test")
    Digest.objects.update(due_at=Now() - timedelta(seconds=1))
    assert close_digests() == 1
    assert list(Notification.objects.values_list("owner", flat=True)) == ["test:shop"] * 2


def test_a_test_key_changes_only_tests(call: Caller, person: Any, settings: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SANDBOX": ["email"]}
    user, test = person(), make_caller(*SENDING, grant=TEST)
    theirs, other = test.notify(order(user)).json()["id"], call.notify(order(user)).json()["id"]
    made = call("POST", "broadcasts/", body([user], draft=True), Idempotency_Key="c").json()["id"]
    assert_refused(test("POST", f"broadcasts/{made}/launch/"), "sandbox-only")
    assert_refused(test("POST", f"notifications/{other}/cancel/"), "sandbox-only")
    assert test("POST", f"notifications/{theirs}/cancel/").json()["status"] == "cancelled"


# --- keys


@pytest.mark.parametrize(
    ("grant", "scopes", "pointer", "code"),
    [
        (Grant(templates=frozenset({"login-cod"})), ["send"], "/templates", "unknown"),
        (Grant(categories=frozenset({"logins"})), ["send"], "/categories", "unknown"),
        (TEST, ["send", "erase"], "/scopes", "not_for_tests"),
    ],
)
def test_a_grant_that_cannot_be(grant: Grant, scopes: list[str], pointer: str, code: str) -> None:
    with pytest.raises(InvalidData) as caught:
        create_key("shop", scopes, grant=grant)
    assert [(item.pointer, item.code) for item in caught.value.problems] == [(pointer, code)]


def test_the_mark_of_test_keys_is_theirs() -> None:
    assert create_key("shop", ["send"], grant=TEST)[0].owner == "test:shop"
    for name, owner in (("Test:shop", ""), ("shop", "test:shop")):
        with pytest.raises(InvalidData, match="test keys"):
            create_key(name, ["send"], owner=owner)
    with pytest.raises(InvalidData, match="longer than 75"):
        create_key("shop", ["send"], owner="o" * (LONGEST_NAME - 4), grant=TEST)


def test_a_rotated_key_goes_on_for_the_overlap_and_answers_for_both(person: Any) -> None:
    old, old_plain = create_key(
        "shop", ["send"], owner="till", expires_at=timezone.now() + timedelta(days=30), grant=LOGIN
    )
    made, plain, replaced = rotate_key("shop", timedelta(hours=24))
    assert replaced == [old]
    assert (made.owner, made.scopes, made.grant) == ("till", ["send"], LOGIN)
    assert made.expires_at is not None
    assert timedelta(days=29) < made.expires_at - timezone.now() < timedelta(days=31)
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - timezone.now() < timedelta(hours=25)
    user = person()
    first, again = (Caller(text, Client()).notify(login_code(user)) for text in (old_plain, plain))
    assert first.status_code == again.status_code == 202
    assert again["Idempotent-Replayed"] == "true"
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    assert find_key(old_plain) is None
    assert find_key(plain) is not None


def test_a_second_rotation_shortens_and_never_lengthens(db: None) -> None:
    create_key("shop", ["send"])
    _, _, (old,) = rotate_key("shop", timedelta(hours=1))
    _, _, replaced = rotate_key("shop", timedelta(hours=48))
    assert len(replaced) == 2
    (again,) = [key for key in replaced if key.pk == old.pk]
    assert again.expires_at == old.expires_at


def test_a_rotation_that_could_mean_two_keys_is_refused(db: None) -> None:
    one, _ = create_key("shop", ["send"])
    create_key("shop", ["read"])
    with pytest.raises(InvalidData, match="by its prefix"):
        rotate_key("shop", timedelta(hours=1))
    with pytest.raises(InvalidData, match="no key in use"):
        rotate_key("till", timedelta(hours=1))
    assert rotate_key(one.prefix, timedelta(hours=1))[0].scopes == ["send"]


def test_use_is_noted_once_a_minute(db: None) -> None:
    key, plain = create_key("shop", ["send"])
    with CaptureQueriesContext(connection) as queries:
        assert find_key(plain)
        assert find_key(plain)
    assert [item["sql"].split()[0] for item in queries] == ["SELECT", "UPDATE", "SELECT"]
    noted = ApiKey.objects.get(pk=key.pk).last_used_at
    ApiKey.objects.note_use(key.pk, 60)
    assert ApiKey.objects.get(pk=key.pk).last_used_at == noted
