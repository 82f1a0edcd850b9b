"""Every error has one shape and a page that explains it; nothing a caller sends is a server error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from notifications.api.problems import KINDS
from notifications.enums import Scope
from notifications.flows.keys import create_key, revoke_key
from notifications.models import ApiKey, Delivery, Notification
from tests.api.conftest import API, Caller, login_code, make_caller


def assert_problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["X-Request-Id"]
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["type"] == f"http://testserver/problems/{slug}/"
    assert body["status"] == status
    assert body["title"] == KINDS[slug].title
    assert body["detail"]
    for item in body["errors"]:
        assert set(item) == {"pointer", "code", "detail"}
    return body


@pytest.mark.parametrize("slug", sorted(KINDS))
def test_each_kind_has_a_page(slug: str) -> None:
    page = Client().get(f"/problems/{slug}/")
    assert page.status_code == 200
    html = page.content.decode()
    assert "<h1>" in html
    assert "<script" not in html


def test_the_index_names_each_kind() -> None:
    html = Client().get("/problems/").content.decode()
    assert all(f'href="{slug}/"' in html for slug in KINDS)
    assert Client().get("/problems/none/").status_code == 404
    assert Client().post("/problems/").status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_a_key_401(method: str) -> None:
    answer = Client().generic(method, f"{API}/notifications/")
    assert_problem(answer, 401, "not-authenticated")
    assert answer["WWW-Authenticate"].startswith("Api-Key")
    assert "Send the header `Authorization: Api-Key <key>`" in answer.json()["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Api-Key", "Api-Key x", "Api-Key ck_abcdefghij_x", "Api-Key \udcff", "Bearer x"])
def test_a_key_that_is_none_is_401(header: str) -> None:
    answer = Client().get(f"{API}/notifications/", headers={"Authorization": header})
    assert_problem(answer, 401, "not-authenticated")
    tells = "Api-Key <key>" if header.startswith("Bearer") else "`manage.py carillon api-key create NAME"
    assert tells in answer.json()["detail"]
    assert "ck_" not in answer.json()["detail"]


@pytest.mark.django_db
def test_a_key_that_is_over_is_401() -> None:
    now = Delivery.objects.database_now()
    _, expired = create_key("old", ["read"], expires_at=now.replace(year=2020))
    revoked, plain = create_key("gone", ["read"])
    assert revoke_key(revoked)
    assert not revoke_key(revoked)
    for key in (expired, plain):
        assert_problem(
            Client().get(f"{API}/notifications/", headers={"Authorization": f"Api-Key {key}"}),
            401,
            "not-authenticated",
        )


@pytest.mark.django_db
def test_the_use_of_a_key_is_noted_once_a_minute() -> None:
    key, plain = create_key("ours", ["read"])
    for _ in range(2):
        Client().get(f"{API}/notifications/", headers={"Authorization": f"Api-Key {plain}"})
        used = ApiKey.objects.get(pk=key.pk).last_used_at
        assert used is not None
    first = used
    Client().get(f"{API}/notifications/", headers={"Authorization": f"Api-Key {plain}"})
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    assert plain not in json.dumps(key.__dict__, default=str)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "notifications/", Scope.READ),
        ("POST", "notifications/", Scope.SEND),
        ("POST", "notifications/batch/", Scope.SEND),
        ("GET", "notifications/{id}/", Scope.READ),
        ("POST", "notifications/{id}/cancel/", Scope.SEND),
        ("GET", "notifications/{id}/deliveries/", Scope.READ),
        ("GET", "broadcasts/", Scope.READ),
        ("POST", "broadcasts/", Scope.BROADCAST),
        ("POST", "broadcasts/estimate/", Scope.BROADCAST),
        ("GET", "broadcasts/{id}/", Scope.READ),
        ("GET", "broadcasts/{id}/deliveries/", Scope.READ),
        ("POST", "broadcasts/{id}/launch/", Scope.BROADCAST),
        ("POST", "broadcasts/{id}/pause/", Scope.BROADCAST),
        ("POST", "broadcasts/{id}/resume/", Scope.BROADCAST),
        ("POST", "broadcasts/{id}/cancel/", Scope.BROADCAST),
        ("GET", "topics/", Scope.READ),
        ("GET", "topics/news/", Scope.READ),
        ("POST", "topics/news/subscribers/", Scope.PREFERENCES),
        ("POST", "topics/news/subscribers/remove/", Scope.PREFERENCES),
        ("GET", "users/1/devices/", Scope.DEVICES),
        ("POST", "users/1/devices/", Scope.DEVICES),
        ("DELETE", "users/1/devices/{id}/", Scope.DEVICES),
        ("GET", "users/1/preferences/", Scope.PREFERENCES),
        ("PATCH", "users/1/preferences/", Scope.PREFERENCES),
        ("GET", "users/1/export/", Scope.ERASE),
        ("DELETE", "users/1/", Scope.ERASE),
    ],
)
def test_each_address_needs_its_scope(method: str, path: str, scope: Scope) -> None:
    path = path.format(id="01980000-0000-7000-8000-000000000000")
    others = make_caller(*(item for item in Scope.values if item != scope))
    refused = others(method, path, {} if method in {"POST", "PATCH"} else None)
    assert scope in assert_problem(refused, 403, "permission-denied")["detail"]
    allowed = make_caller(scope)(method, path, {} if method in {"POST", "PATCH"} else None)
    assert allowed.status_code not in {401, 403}, allowed.content
    assert allowed.status_code < 500
    assert_problem(Client().generic(method, f"{API}/{path}"), 401, "not-authenticated")


def test_an_address_that_is_none(call: Caller) -> None:
    for method in ("GET", "POST", "PUT"):
        assert_problem(call(method, "nothing/"), 404, "not-found")
    body = assert_problem(call("GET", "notifications"), 404, "not-found")
    assert "slash" in body["detail"]
    for path in ("notifications/42/", "notifications/a%0Ab/", "%0A"):
        assert_problem(call("GET", path), 404, "not-found")


@pytest.mark.parametrize("query", ["limit=", "cursor=", "limit=1&limit=2", "cursor=n", "limit=false"])
@pytest.mark.parametrize("path", ["notifications/", "broadcasts/"])
def test_a_query_that_would_be_guessed_at(call: Caller, path: str, query: str) -> None:
    problem = assert_problem(call("GET", f"{path}?{query}"), 400, "invalid-request")
    assert [item["pointer"] for item in problem["errors"]] == [f"/{query.partition('=')[0]}"]


def test_a_method_that_is_none(call: Caller) -> None:
    for method in ("PUT", "DELETE", "OPTIONS"):
        answer = call(method, "notifications/")
        assert_problem(answer, 405, "method-not-allowed")
        assert "POST" in answer["Allow"]


def test_a_body_that_is_not_json(call: Caller) -> None:
    answer = call.client.post(
        f"{API}/notifications/",
        {"user": "1"},
        headers={"Authorization": f"Api-Key {call.plain}", "Idempotency-Key": "k1"},
    )
    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\xfe",
        b'{"user": NaN}',
        b'{"user": 1e999}',
        b'{"user": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"data": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"user": "\\u0000"}',
        b'{"user": "\\ud800"}',
        b'{"data": {"a\\u0000b": 1}}',
        b'{"data": {"x": ["\\uDFFF"]}}',
    ],
)
def test_a_body_that_cannot_be_stored(call: Caller, raw: bytes) -> None:
    assert_problem(call.notify(raw), 400, "malformed-request")


def test_text_that_cannot_be_stored_is_pointed_at(call: Caller) -> None:
    body = call.notify(b'{"data": {"x/y": ["ok", "a\\u0000"]}}').json()
    assert body["errors"][0]["pointer"] == "/data/x~1y/1"


@pytest.mark.parametrize("raw", [b"null", b"[]", b"17", b'"x"', b"true", b""])
def test_a_body_that_is_no_object(call: Caller, raw: bytes) -> None:
    assert_problem(call.notify(raw), 400, "invalid-request")


def test_a_body_that_is_too_large(call: Caller) -> None:
    raw = json.dumps({"user": "1", "data": {"x": "x" * 300_000}}).encode()
    assert_problem(call.notify(raw), 413, "too-large")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"tempalte": "x"}, "/tempalte", "unknown_field"),
        ({"template": None}, "/template", "null"),
        ({"template": 5}, "/template", "wrong_type"),
        ({"template": "x" * 64}, "/template", "max_length"),
        ({"template": "login-kode"}, "/template", "unknown_template"),
        ({"user": True}, "/user", "wrong_type"),
        ({"user": []}, "/user", "wrong_type"),
        ({"user": "9" * 100}, "/user", "unknown_user"),
        ({"user": 10**30}, "/user", "wrong_type"),
        ({"to": {"email": "x"}}, "/user", "recipient"),
        ({"data": []}, "/data", "wrong_type"),
        ({"data": {}}, "/data/code", "missing_variable"),
        ({"data": {"code": 5}}, "/data/code", "wrong_type"),
        ({"data": {"code": "1", "x/y": 1}}, "/data/x~1y", "unknown_variable"),
        ({"channels": "sms"}, "/channels", "not_a_list"),
        ({"channels": ["pusch"]}, "/channels", "unknown_channel"),
        ({"channels": [1]}, "/channels/0", "wrong_type"),
        ({"ttl": 0}, "/ttl", "min_value"),
        ({"ttl": 10**400}, "/ttl", "max_value"),
        ({"ttl": 1.5}, "/ttl", "wrong_type"),
        ({"ttl": "600"}, "/ttl", "wrong_type"),
        ({"send_at": "2027-01-01T00:00:00"}, "/send_at", "naive_time"),
        ({"send_at": "9999-12-31T23:59:59Z"}, "/send_at", "out_of_range"),
        ({"send_at": 5}, "/send_at", "wrong_type"),
        ({"collapse_key": "x" * 65}, "/collapse_key", "max_length"),
        ({"tags": ["x" * 65]}, "/tags/0", "max_length"),
    ],
)
def test_what_is_wrong_is_pointed_at(
    call: Caller, person: Any, change: dict[str, Any], pointer: str, code: str
) -> None:
    answer = call.notify({**login_code(person()), **change})
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert (pointer, code) in [(item["pointer"], item["code"]) for item in answer.json()["errors"]]
    assert not Notification.objects.exists()


def test_a_wrong_address_is_pointed_at(call: Caller) -> None:
    body = {"to": {"email": "nonsense", "emial": "x"}, "template": "login-code", "data": {"code": "1"}}
    answer = call.notify(body)
    assert answer.json()["errors"] == [
        {"pointer": "/to/emial", "code": "unknown_field", "detail": "did you mean 'email'?"}
    ]
    del body["to"]["emial"]  # type: ignore[attr-defined]
    assert call.notify(body).json()["errors"][0]["pointer"] == "/to/email"
    assert "nonsense" not in call.notify(body).content.decode()


def test_browsers_get_pages_only_in_a_developers_project(call: Caller, settings: Any) -> None:
    settings.DEBUG = True
    html = call("GET", "notifications/", Accept="text/html")
    assert html["Content-Type"].startswith("text/html")
    settings.DEBUG = False
    assert call("GET", "notifications/", Accept="text/html")["Content-Type"] == "application/json"
    settings.DEBUG = True
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "rest_framework"]
    assert call("GET", "notifications/", Accept="text/html")["Content-Type"] == "application/json"
