"""A user's devices and preferences, by key or as `me`; export and erasure."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from notifications.enums import SuppressionCause
from notifications.flows.suppress import suppress
from notifications.models import (
    AuditEntry,
    Delivery,
    DeliveryEvent,
    Device,
    Notification,
    Preference,
    RefusedRequest,
    Suppression,
    TopicSubscription,
)
from tests.api.conftest import API, Caller, login_code, order

TOKEN = "fcm-token-0123456789abcdef"


def device(**more: Any) -> dict[str, Any]:
    return {"channel": "push", "platform": "android", "address": TOKEN, **more}


def test_a_device_is_registered_once(call: Caller, person: Any, django_assert_max_num_queries: Any) -> None:
    user = person()
    with django_assert_max_num_queries(8):
        first = call("POST", f"users/{user.pk}/devices/", device(locale="de", time_zone="Europe/Berlin"))
    again = call("POST", f"users/{user.pk}/devices/", device())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["address"] == f"…{TOKEN[-6:]}"
    assert first.json()["token_type"] == "fcm"
    assert first.json()["is_active"] is True
    assert first.json()["last_seen_at"].endswith("Z")
    assert Device.objects.count() == 1


def test_a_token_moves_to_who_registers_it(call: Caller, person: Any) -> None:
    ada, ben = person(), person()
    old = call("POST", f"users/{ada.pk}/devices/", device()).json()
    new = call("POST", f"users/{ben.pk}/devices/", device())
    assert new.status_code == 201
    (seen,) = call("GET", f"users/{ada.pk}/devices/").json()["results"]
    assert (seen["id"], seen["is_active"], seen["deactivated_reason"]) == (old["id"], False, "moved")


def test_delete_a_device(call: Caller, person: Any) -> None:
    ada, ben = person(), person()
    made = call("POST", f"users/{ada.pk}/devices/", device()).json()
    assert call("DELETE", f"users/{ben.pk}/devices/{made['id']}/").status_code == 404
    assert call("DELETE", f"users/{ada.pk}/devices/{made['id']}/").status_code == 204
    assert call("DELETE", f"users/{ada.pk}/devices/{made['id']}/").status_code == 204
    (seen,) = call("GET", f"users/{ada.pk}/devices/").json()["results"]
    assert (seen["is_active"], seen["deactivated_reason"]) == (False, "removed")
    assert call("DELETE", f"users/{ada.pk}/devices/{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"channel": "pusch"}, "/channel"),
        ({"platform": "windows"}, "/platform"),
        ({"token_type": "x"}, "/token_type"),
        ({"address": "a b"}, "/address"),
        ({"address": 5}, "/address"),
        ({"address": "x" * 5000}, "/address"),
        ({"time_zone": "Mars/Base"}, "/time_zone"),
        ({"time_zone": "../etc/passwd"}, "/time_zone"),
        ({"locale": "x" * 17}, "/locale"),
        ({"locale": "x\n<script>"}, "/locale"),
        ({"locale": "xx-\u0661"}, "/locale"),
        ({"locale": "de_"}, "/locale"),
        ({"channel": "email", "address": "a@example.com"}, "/platform"),
        ({"channel": "sms", "address": "+4915112345678", "platform": "", "token_type": "fcm"}, "/token_type"),
        ({"adress": "x"}, "/adress"),
    ],
)
def test_a_device_that_cannot_be(call: Caller, person: Any, change: dict[str, Any], pointer: str) -> None:
    answer = call("POST", f"users/{person().pk}/devices/", device(**change))
    assert answer.status_code == 400, answer.content
    assert pointer in [item["pointer"] for item in answer.json()["errors"]]
    assert not Device.objects.exists()


@pytest.mark.parametrize("user", ["0", "x", "%00", "9" * 40])
def test_a_user_who_is_not_there(call: Caller, user: str) -> None:
    assert call("GET", f"users/{user}/devices/").status_code == 404
    assert call("GET", f"users/{user}/preferences/").status_code == 404
    assert call("DELETE", f"users/{user}/").status_code == 404


def test_preferences_begin_empty_and_merge(call: Caller, person: Any, django_assert_num_queries: Any) -> None:
    path = f"users/{person().pk}/preferences/"
    with django_assert_num_queries(3):
        assert call("GET", path).json() == {
            "locale": None,
            "time_zone": None,
            "quiet_hours": [],
            "channels": {},
            "categories": {},
            "devices": {},
        }
    window = {"days": [4, 0], "start": "22:00", "end": "07:00"}
    change = {
        "locale": "de",
        "time_zone": "Europe/Berlin",
        "quiet_hours": [window],
        "channels": {"sms": True},
        "categories": {"social": {"push": False}},
    }
    stored = {**change, "quiet_hours": [{**window, "days": [0, 4]}], "devices": {}}
    assert call("PATCH", path, change).json() == stored
    assert call("GET", path).json() == stored
    merged = call("PATCH", path, {"channels": {"email": False}, "categories": {"news": {"push": False}}}).json()
    assert merged["channels"] == {"sms": True, "email": False}
    assert merged["categories"] == {"social": {"push": False}, "news": {"push": False}}
    assert merged["locale"] == "de"
    less = call("PATCH", path, {"channels": {"sms": None}, "categories": {"social": None}, "quiet_hours": []}).json()
    assert less["channels"] == {"email": False}
    assert less["categories"] == {"news": {"push": False}}
    assert less["quiet_hours"] == []
    assert call("PATCH", path, {"locale": None}).json()["locale"] is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"locales": "de"}, "/locales"),
        ({"locale": 5}, "/locale"),
        ({"locale": "<b>"}, "/locale"),
        ({"locale": "xx-\u0661"}, "/locale"),
        ({"locale": "deutsch"}, "/locale"),
        ({"time_zone": "Mars/Base"}, "/time_zone"),
        ({"quiet_hours": {}}, "/quiet_hours"),
        ({"quiet_hours": ["22:00"]}, "/quiet_hours/0"),
        ({"quiet_hours": [{"days": [7], "start": "22:00", "end": "07:00"}]}, "/quiet_hours/0"),
        ({"quiet_hours": [{"days": [True], "start": "22:00", "end": "07:00"}]}, "/quiet_hours/0/days"),
        ({"quiet_hours": [{"start": "22:00", "end": "22:00"}]}, "/quiet_hours/0"),
        ({"quiet_hours": [{"start": "25:00", "end": "22:00"}]}, "/quiet_hours/0"),
        ({"quiet_hours": [{"start": "22:00", "end": "07:00", "zone": "x"}]}, "/quiet_hours/0"),
        ({"channels": {"pusch": True}}, "/channels/pusch"),
        ({"channels": {"push": "no"}}, "/channels/push"),
        ({"channels": []}, "/channels"),
        ({"categories": {"sozial": {}}}, "/categories/sozial"),
        ({"categories": {"social": {"push": 1}}}, "/categories/social/push"),
        ({"categories": {"social": True}}, "/categories/social"),
        ({"categories": {"login": {"sms": False}}}, "/categories/login"),
    ],
)
def test_preferences_that_cannot_be(call: Caller, person: Any, change: dict[str, Any], pointer: str) -> None:
    answer = call("PATCH", f"users/{person().pk}/preferences/", change)
    assert answer.status_code == 400, answer.content
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]
    assert not Preference.objects.exists()


@pytest.mark.parametrize("body", [[], "x", 5, None])
def test_preferences_that_are_no_object(call: Caller, person: Any, body: Any) -> None:
    answer = call("PATCH", f"users/{person().pk}/preferences/", b"null" if body is None else body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == ""


def test_me_is_who_is_signed_in(person: Any) -> None:
    user, other = person(), person()
    client = Client()
    client.force_login(user)
    made = client.post(f"{API}/users/me/devices/", device(), content_type="application/json")
    assert made.status_code == 201, made.content
    assert Device.objects.get().user_id == user.pk
    assert client.get(f"{API}/users/me/preferences/").status_code == 200
    assert client.delete(f"{API}/users/me/devices/{made.json()['id']}/").status_code == 204
    for path in (f"users/{user.pk}/devices/", f"users/{other.pk}/devices/", f"users/{other.pk}/preferences/"):
        assert client.get(f"{API}/{path}").status_code == 403
    for path in ("users/me/export/", "notifications/"):
        assert client.get(f"{API}/{path}").status_code == 401
    assert client.delete(f"{API}/users/me/").status_code == 401


def test_a_session_needs_the_csrf_token(person: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person())
    answer = client.post(f"{API}/users/me/devices/", device(), content_type="application/json")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert not Device.objects.exists()


def test_me_means_nothing_to_a_key(call: Caller) -> None:
    assert call("GET", "users/me/devices/").status_code == 403
    assert call("GET", "users/me/export/").status_code == 404


def test_topics(call: Caller, person: Any, django_assert_num_queries: Any) -> None:
    users = [str(person().pk) for _ in range(3)]
    path = "topics/news/subscribers/"
    assert call("POST", path, {"users": users}).json() == {"added": 3}
    with django_assert_num_queries(7):
        assert call("POST", path, {"users": [*users, users[0], int(users[1])]}).json() == {"added": 0}
    assert call("POST", f"{path}remove/", {"users": users[:2]}).json() == {"removed": 2}
    assert call("POST", "topics/none/subscribers/remove/", {"users": users}).json() == {"removed": 0}
    assert TopicSubscription.objects.count() == 1


def test_a_topic_takes_all_or_nobody(call: Caller, person: Any) -> None:
    answer = call("POST", "topics/news/subscribers/", {"users": [str(person().pk), "0", "x", "9" * 40]})
    assert answer.status_code == 400
    assert [item["pointer"] for item in answer.json()["errors"]] == ["/users/1", "/users/2", "/users/3"]
    assert not TopicSubscription.objects.exists()


@pytest.mark.parametrize("body", [{}, {"users": "x"}, {"users": []}, {"users": [None]}, {"users": [{}]}, []])
def test_subscribers_that_are_none(call: Caller, body: Any) -> None:
    assert call("POST", "topics/news/subscribers/", body).status_code == 400


def test_export_hands_out_everything_but_secrets(call: Caller, person: Any, django_assert_max_num_queries: Any) -> None:
    user = person()
    call("POST", f"users/{user.pk}/devices/", device())
    call("PATCH", f"users/{user.pk}/preferences/", {"locale": "de"})
    call("POST", "topics/news/subscribers/", {"users": [str(user.pk)]})
    call.notify(order(user), "k1")
    call.notify(login_code(user), "k2")
    with django_assert_max_num_queries(22):
        found = call("GET", f"users/{user.pk}/export/")
    body = found.json()
    assert body["devices"][0]["address"] == TOKEN
    assert body["topics"] == ["news"]
    assert body["preferences"]["locale"] == "de"
    assert [item["template"] for item in body["notifications"]] == ["order-shipped", "login-code"]
    assert body["notifications"][0]["data"]["number"] == "A-1"
    assert body["notifications"][0]["deliveries"][0]["address"] == user.email
    assert "493021" not in found.content.decode()


def test_erase_forgets_one_and_nobody_else(call: Caller, person: Any) -> None:
    user, other = person(), person()
    for who, number in ((user, 1), (other, 2)):
        call("POST", f"users/{who.pk}/devices/", device(address=f"{TOKEN}{number}"))
        call("PATCH", f"users/{who.pk}/preferences/", {"locale": "de"})
        call("POST", "topics/news/subscribers/", {"users": [str(who.pk)]})
        call.notify(order(who), f"k{number}")
        call.notify({"user": str(who.pk), "template": "none"}, f"x{number}")
    suppress("email", user.email, SuppressionCause.HARD_BOUNCE, "test")
    answer = call("DELETE", f"users/{user.pk}/")
    assert answer.status_code == 200, answer.content
    assert answer.json()["erased"]["deliveries"] == 1
    mine = f"u:{user.pk}"
    for model in (Delivery, Notification, Preference, RefusedRequest):
        assert not model.objects.filter(recipient=mine).exists()  # type: ignore[attr-defined]
        assert model.objects.filter(recipient=f"u:{other.pk}").count() == 1  # type: ignore[attr-defined]
    assert set(Device.objects.values_list("user_id", flat=True)) == {other.pk}
    assert not DeliveryEvent.objects.filter(delivery__recipient=mine).exists()
    assert TopicSubscription.objects.count() == 1
    assert Suppression.objects.get().hint == ""
    assert AuditEntry.objects.get().subject == mine
    assert call("DELETE", f"users/{user.pk}/").json()["erased"]["deliveries"] == 0
    assert call.notify(order(user), "k1")["Idempotent-Replayed"] == "true"


def test_a_user_who_is_gone_from_the_host_can_still_be_exported_and_erased(call: Caller, person: Any) -> None:
    user, living = person(), person()
    key = user.pk
    call.notify(order(user), "k1")
    call.notify(order(living), "k2")
    user.delete()
    assert call("GET", f"users/{key}/devices/").status_code == 404
    for path in (f"users/{key}/", f"users/u:{key}/"):
        (sent,) = call("GET", f"{path}export/").json()["notifications"]
        assert sent["data"]["number"] == "A-1"
    assert call("DELETE", f"users/{key}/").json()["erased"]["deliveries"] == 1
    assert Delivery.objects.get().recipient == f"u:{living.pk}"
    for path in (f"users/{key}/", f"users/0{living.pk}/", f"users/u:0{living.pk}/", f"users/{'9' * 40}/", "users/u:x/"):
        assert call("DELETE", path).status_code == 404
        assert call("GET", f"{path}export/").status_code == 404


def test_with_another_look_up_only_the_key_itself_names_who_is_gone(call: Caller, person: Any, settings: Any) -> None:
    recipient = {**settings.NOTIFICATIONS["RECIPIENT"], "lookup": "username"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECIPIENT": recipient}
    living, gone = person(), person()
    key = gone.pk
    for user, number in ((living, "k1"), (gone, "k2")):
        call.notify({**order(user), "user": user.username}, number)
        call.notify({"user": user.username, "template": "none"}, f"x{number}")
    gone.delete()
    assert call("DELETE", f"users/{living.pk}/").status_code == 404
    assert call("DELETE", f"users/{key}/").status_code == 404
    assert call("DELETE", f"users/u:{key}/").json()["erased"]["deliveries"] == 1
    erased = call("DELETE", f"users/{living.username}/").json()["erased"]
    assert (erased["deliveries"], erased["refused_requests"]) == (1, 1)
