"""One call notifies one person; the same call again changes nothing; what became of it can be read."""

from __future__ import annotations

import json
import traceback
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications.models import (
    Category,
    Delivery,
    Device,
    IdempotencyKey,
    Notification,
    RefusedRequest,
    Template,
)
from notifications.rules.masking import Unquoted
from tests.api.conftest import API, Caller, login_code, make_caller, order


def test_post_answers_202_with_the_deliveries(call: Caller, person: Any) -> None:
    user = person()
    answer = call.notify(login_code(user), "k1")
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert body["status"] == "in_progress"
    assert answer["Location"] == f"{API}/notifications/{body['id']}/"
    (delivery,) = body["deliveries"]
    assert delivery["channel"] == "sms"
    assert delivery["state"] == "pending"
    assert delivery["reason"] == "new"
    assert delivery["explanation"]
    assert delivery["possible_duplicate"] is False
    assert delivery["device"] is None
    assert delivery["due_at"].endswith("Z")
    assert Notification.objects.get(pk=body["id"]).recipient == f"u:{user.pk}"


def test_no_answer_carries_a_variable_or_an_address(call: Caller, person: Any) -> None:
    user = person()
    answer = call.notify(login_code(user), "k1")
    listed = call("GET", f"notifications/?user={user.pk}")
    for text in (answer.content.decode(), listed.content.decode()):
        assert "493021" not in text
        assert user.profile.phone not in text


def test_an_error_of_the_database_goes_to_the_log_without_the_row(call: Caller, person: Any) -> None:
    user = person()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE carillon_delivery ADD CONSTRAINT forbidden CHECK (state <> 'pending') NOT VALID")
    with pytest.raises(Unquoted) as caught:
        call.notify(login_code(user), "k1")
    told = "".join(traceback.format_exception(caught.value))
    assert "IntegrityError: 23514" in told
    assert user.profile.phone not in told


def test_an_address_without_an_account(call: Caller) -> None:
    body = {"to": {"email": "ada@example.org", "locale": "de"}, "template": "order-shipped"}
    answer = call.notify({**body, "data": {"number": "A-1", "total": 1, "items": []}})
    assert answer.status_code == 202, answer.content
    assert answer.json()["deliveries"][0]["state"] == "pending"
    stored = Notification.objects.get(pk=answer.json()["id"])
    assert stored.recipient.startswith("a:")
    assert stored.locale == "de"


def test_scheduled(call: Caller, person: Any) -> None:
    answer = call.notify(order(person(), send_at="2199-01-31T09:00:00+01:00"))
    assert answer.status_code == 202, answer.content
    assert answer.json()["status"] == "scheduled"
    assert answer.json()["deliveries"][0]["due_at"] == "2199-01-31T08:00:00Z"


def test_the_same_request_again_gets_the_same_answer(call: Caller, person: Any) -> None:
    user = person()
    first = call.notify(login_code(user), "k1")
    body = login_code(user)
    again = call.notify(dict(reversed(body.items())), "k1")
    assert again.status_code == 202
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert again["Location"] == first["Location"]
    assert Delivery.objects.filter(recipient=f"u:{user.pk}").count() == 1


def test_another_body_under_the_same_key_is_422(call: Caller, person: Any) -> None:
    user = person()
    call.notify(login_code(user), "k1")
    answer = call.notify({**login_code(user), "data": {"code": "000000"}}, "k1")
    assert answer.status_code == 422
    assert answer.json()["type"] == "http://testserver/problems/idempotency-conflict/"
    assert Notification.objects.filter(recipient=f"u:{user.pk}").count() == 1


def test_keys_belong_to_the_owner_and_survive_rotation(call: Caller, person: Any) -> None:
    user = person()
    first = call.notify(login_code(user), "k1").json()
    assert make_caller(owner="shop").notify(login_code(user), "k1").json() == first
    assert make_caller(owner="other").notify(login_code(user), "k1").json()["id"] != first["id"]


def test_without_a_key_400(call: Caller, person: Any) -> None:
    answer = call("POST", "notifications/", login_code(person()))
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/problems/idempotency-key-missing/")
    assert not Notification.objects.exists()


@pytest.mark.parametrize("key", ["x" * 256, "tab\there", "\x7f"])
def test_a_key_that_cannot_be_one_is_400(call: Caller, person: Any, key: str) -> None:
    answer = call.notify(login_code(person()), key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/idempotency_key"


def test_a_post_needs_a_fixed_number_of_statements(
    call: Caller, person: Any, django_assert_max_num_queries: Any
) -> None:
    few, many = person(), person()
    for index in range(12):
        call("POST", f"users/{many.pk}/devices/", {"platform": "android", "address": f"token-{index}"})
    counted = []
    body = {"user": str(few.pk), "template": "price-alert", "data": {"product": "Bell"}}
    call.notify(body, "k0")  # a process keeps the template and its words
    for user, key in ((few, "k1"), (many, "k2")):
        with django_assert_max_num_queries(10) as statements:
            body = {**body, "user": str(user.pk)}
            assert call.notify(body, key).status_code == 202
        counted.append(len(statements))
    assert counted[1] <= counted[0]


def test_get_one(call: Caller, person: Any, django_assert_num_queries: Any) -> None:
    made = call.notify(login_code(person()), "k1").json()
    with django_assert_num_queries(3):
        answer = call("GET", f"notifications/{made['id']}/")
    assert answer.json() == made


def test_get_one_that_is_not_there(call: Caller) -> None:
    answer = call("GET", f"notifications/{uuid.uuid4()}/")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/problems/not-found/")


def test_cancel(call: Caller, person: Any) -> None:
    made = call.notify(order(person(), send_at="2199-01-01T00:00:00Z")).json()
    answer = call("POST", f"notifications/{made['id']}/cancel/")
    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["deliveries"][0]["state"] == "cancelled"
    assert call("POST", f"notifications/{made['id']}/cancel/").json()["status"] == "cancelled"


def test_list_filters(call: Caller, person: Any) -> None:
    ada, ben = person(), person(phone="")
    code = call.notify(login_code(ada), "k1").json()["id"]
    mail = call.notify(order(ada), "k2").json()["id"]
    other = call.notify(login_code(ben), "k3").json()["id"]

    def ids(query: str) -> list[str]:
        answer = call("GET", f"notifications/?{query}")
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert ids(f"user={ada.pk}") == [mail, code]
    assert ids("template=login-code") == [other, code]
    assert ids("state=skipped") == [other]
    assert ids("since=2020-01-01T00:00:00Z") == [other, mail, code]
    assert ids("since=2199-01-01T00:00:00%2B01:00") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("sate=dead", "/sate"),
        ("state=ded", "/state"),
        ("since=yesterday", "/since"),
        ("since=2027-01-01T00:00:00", "/since"),
        ("user=nobody", "/user"),
        ("user=%00", "/user"),
        ("template=%00", "/template"),
        ("cursor=x", "/cursor"),
        ("limit=0", "/limit"),
        ("limit=²", "/limit"),
        ("limit=1e9", "/limit"),
    ],
)
def test_a_wrong_query_is_400(call: Caller, query: str, pointer: str) -> None:
    answer = call("GET", f"notifications/?{query}")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_lists_by_cursor(call: Caller, person: Any, django_assert_num_queries: Any) -> None:
    user = person()
    made = [call.notify(order(user, f"A-{n}"), f"k{n}").json()["id"] for n in range(5)][::-1]
    with django_assert_num_queries(4):
        first = call("GET", f"notifications/?user={user.pk}&limit=2").json()
    assert [row["id"] for row in first["results"]] == made[:2]
    assert first["previous"] is None
    second = call("GET", first["next"]).json()
    assert [row["id"] for row in second["results"]] == made[2:4]
    third = call("GET", second["next"]).json()
    assert [row["id"] for row in third["results"]] == made[4:]
    assert third["next"] is None
    assert [row["id"] for row in call("GET", third["previous"]).json()["results"]] == made[2:4]
    back = call("GET", second["previous"]).json()
    assert [row["id"] for row in back["results"]] == made[:2]
    assert back["previous"] is None
    assert call("GET", back["next"]).json()["results"] == second["results"]


def test_deliveries_of_one(call: Caller, person: Any) -> None:
    user = person()
    now = timezone.now()
    Device.objects.bulk_create(  # more than anybody may register
        Device(user=user, platform="android", address=f"token-{n}", address_hash=str(n), last_seen_at=now)
        for n in range(55)
    )
    body = {"user": str(user.pk), "template": "price-alert", "data": {"product": "Bell"}}
    made = call.notify(body).json()
    assert len(made["deliveries"]) == 50
    Delivery.objects.filter(pk=made["deliveries"][0]["id"]).update(possible_duplicate=True)
    path = f"notifications/{made['id']}/deliveries/"
    assert len(call("GET", f"{path}?limit=200").json()["results"]) == 55
    assert len(call("GET", f"{path}?state=pending&possible_duplicate=true").json()["results"]) == 1
    assert call("GET", f"{path}?state=sent").json()["results"] == []
    assert call("GET", f"{path}?possible_duplicate=yes").status_code == 400


def test_a_refused_request_leaves_a_row_without_data(call: Caller, person: Any) -> None:
    user = person()
    answer = call("POST", "notifications/", login_code(user, data={"kode": "1234-secret"}), Idempotency_Key="k1")
    assert answer.status_code == 400
    row = RefusedRequest.objects.get()
    assert row.recipient == f"u:{user.pk}"
    assert row.template == "login-code"
    assert row.reason == "invalid-data"
    assert row.owner == "shop"
    assert row.request_id == answer["X-Request-Id"]
    assert "1234" not in json.dumps(row.__dict__, default=str)
    assert not IdempotencyKey.objects.exists()


def test_a_refused_recipient_is_not_kept(call: Caller) -> None:
    body = {"user": "ada@example.com", "template": "login-code", "data": {"code": "1"}}
    answer = call.notify(body)
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/problems/unknown-recipient/")
    assert answer.json()["errors"][0]["pointer"] == "/user"
    assert RefusedRequest.objects.get().recipient == ""


def test_the_request_id_is_taken_echoed_and_stored(call: Caller, person: Any) -> None:
    headers = {"Idempotency_Key": "k1", "X_Request_Id": "abc-1"}
    answer = call("POST", "notifications/", login_code(person()), **headers)
    assert answer["X-Request-Id"] == "abc-1"
    assert Notification.objects.get(pk=answer.json()["id"]).request_id == "abc-1"
    odd = call("GET", "notifications/", X_Request_Id="a b\t<script>")
    assert odd["X-Request-Id"].isalnum()


def test_me_is_nobody_in_a_body(call: Caller) -> None:
    answer = call.notify({"user": "me", "template": "login-code", "data": {"code": "1"}})
    assert answer.status_code == 400


def test_batch(call: Caller, person: Any) -> None:
    user: User = person()
    items = [
        {**login_code(user), "idempotency_key": "b1"},
        {**login_code(user), "idempotency_key": "b1"},
        {**login_code(user), "data": {"code": "2"}, "idempotency_key": "b1"},
        {**login_code(user), "tempalte": "x", "idempotency_key": "b2"},
        {"user": "0", "template": "login-code", "data": {"code": "1"}, "idempotency_key": "b3"},
        17,
        {**order(user), "idempotency_key": "b4"},
    ]
    answer = call("POST", "notifications/batch/", {"items": items})
    assert answer.status_code == 200, answer.content
    results = answer.json()["results"]
    assert [item["status"] for item in results] == [202, 202, 422, 400, 400, 400, 202]
    assert results[0]["notification"] == results[1]["notification"]
    assert results[1]["replayed"] is True
    assert results[3]["problem"]["errors"][0]["pointer"] == "/tempalte"
    assert "template" in results[3]["problem"]["errors"][0]["detail"]
    assert Notification.objects.filter(recipient=f"u:{user.pk}").count() == 2
    again = call("POST", "notifications/batch/", {"items": items}).json()["results"]
    assert [item["status"] for item in again] == [202, 202, 422, 400, 400, 400, 202]
    assert again[6]["replayed"] is True


@pytest.mark.parametrize("body", [[], {}, {"items": []}, {"items": {}}, {"items": [1] * 1001}, {"items": [1], "x": 1}])
def test_a_batch_that_is_none(call: Caller, body: Any) -> None:
    answer = call("POST", "notifications/batch/", body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"]


def test_a_change_of_template_or_category_counts_from_the_next_call(call: Caller, person: Any) -> None:
    user = person()
    assert call.notify(order(user, "A-1"), "k1").status_code == 202
    Category.objects.filter(templates__slug="order-shipped").update(ttl=timedelta(minutes=7))
    made = Notification.objects.get(pk=call.notify(order(user, "A-2"), "k2").json()["id"])
    assert made.expires_at == made.created_at + timedelta(minutes=7)
    Template.objects.filter(slug="order-shipped").update(variables={"number": "str"})
    assert call.notify(order(user, "A-3"), "k3").status_code == 400
