"""Quotas with their headers, ETags on what is polled, and the id of the request for whoever logs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from redis import Redis
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.response import Response

from notifications import request_ids
from notifications.api import limits, users
from notifications.api.base import ApiView
from notifications.api.errors import handle
from notifications.models import Notification
from notifications.quotas import Counter
from tests.api.conftest import API, Caller, make_caller, order
from tests.api.test_broadcasts import body
from tests.api.test_problems import assert_problem
from tests.contracts.server import closed_port
from tests.fixtures import own_redis, patient_redis

__all__ = ["own_redis", "patient_redis"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def rate(own_redis: None, settings: Any) -> Any:
    """Sets how often a caller may call."""
    limits.counter.cache_clear()

    def choose(text: str | None) -> None:
        settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "API": {"rate": text}}

    yield choose
    limits.counter.cache_clear()


# --- quotas


def test_every_answer_tells_what_is_left_and_beyond_it_nothing_is_done(rate: Any, call: Caller, person: Any) -> None:
    rate("3/hour")
    user = person()
    answers = [call.notify(order(user), key) for key in ("a", "b", "c")]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=3600'}
    assert [answer["RateLimit"].partition(";t=")[0] for answer in answers] == [f'"default";r={n}' for n in (2, 1, 0)]
    refused = call.notify(order(user), "d")
    assert_problem(refused, 429, "too-many-requests")
    assert 3_500 < int(refused["Retry-After"]) <= 3_601
    assert refused["RateLimit"].startswith('"default";r=0;t=')
    assert Notification.objects.count() == 3


def test_a_quota_that_is_about_to_be_there_again_is_waited_for() -> None:
    """The document promises the header to every 429."""
    answer = handle(Throttled(wait=0), {})
    assert answer is not None
    assert answer["Retry-After"] == "1"


def test_each_key_has_a_quota_of_its_own_and_so_has_who_is_signed_in(rate: Any, call: Caller, person: Any) -> None:
    rate("1/hour")
    signed_in = Client()
    signed_in.force_login(person())
    for who in (call, make_caller("read"), lambda *_: signed_in.get(f"{API}/users/me/preferences/")):
        assert who("GET", "notifications/").status_code == 200
        assert who("GET", "notifications/").status_code == 429


def test_an_address_that_asks_nobody_counts_nobody(rate: Any) -> None:
    class Open(ApiView):
        authentication_classes = ()
        permission_classes = ()

        def get(self, _: Any) -> Response:
            return Response({})

    rate("1/hour")
    answers = [Open.as_view()(RequestFactory().get("/")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "RateLimit" not in answers[0]


def test_no_rate_no_headers(rate: Any, call: Caller) -> None:
    rate(None)
    assert "RateLimit" not in call("GET", "notifications/")


def test_without_redis_nobody_is_refused(rate: Any, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    rate("1/hour")
    away = Counter(Redis(port=closed_port()))
    monkeypatch.setattr(limits.counter(), "_script", away._script)
    answers = [call("GET", "notifications/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "RateLimit" not in answers[0]


# --- ETags


def test_what_has_not_changed_is_not_told_again(call: Caller, person: Any) -> None:
    user = person()
    sent = f"notifications/{call.notify(order(user)).json()['id']}/"
    made = call("POST", "broadcasts/", body([user], draft=True), Idempotency_Key="b").json()["id"]
    for path in (sent, f"broadcasts/{made}/"):
        first = call("GET", path)
        assert first["Cache-Control"] == "private, no-cache"
        for known in (first["ETag"], f"W/{first['ETag']}", f'"other", {first["ETag"]}', "*"):
            again = call("GET", path, If_None_Match=known)
            assert (again.status_code, again.content) == (304, b"")
            assert again["ETag"] == first["ETag"]
        assert call("GET", path, If_None_Match='"other"').json() == first.json()
        call("POST", f"{path}cancel/")
        changed = call("GET", path, If_None_Match=first["ETag"])
        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]


def test_a_304_is_for_those_who_may_see_it_only(call: Caller, person: Any) -> None:
    sent = f"notifications/{call.notify(order(person())).json()['id']}/"
    tag = call("GET", sent)["ETag"]
    assert make_caller("send")("GET", sent, If_None_Match=tag).status_code == 403
    assert Client().get(f"{API}/{sent}", headers={"If-None-Match": tag}).status_code == 401


# --- request ids


def test_whoever_logs_can_tell_the_request(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(users, "find_user", lambda _: seen.append(request_ids.current()))
    for given in ("abc-1", "x" * 65, "two words", "é"):
        answer = call("GET", "users/42/preferences/", X_Request_Id=given)
        assert seen[-1] == answer["X-Request-Id"]
    assert seen[0] == "abc-1"
    assert all(item.isalnum() for item in seen[1:])
    assert len(set(seen)) == 4
    assert request_ids.current() == ""


def test_a_failure_is_logged_with_its_request(monkeypatch: pytest.MonkeyPatch, call: Caller) -> None:
    seen: list[str] = []

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(request_ids.current())

    def broken(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(users, "find_user", broken)
    call.client.raise_request_exception = False
    ears = Ears()
    logging.getLogger("django.request").addHandler(ears)
    try:
        assert call("GET", "users/42/preferences/", X_Request_Id="abc-2").status_code == 500
    finally:
        logging.getLogger("django.request").removeHandler(ears)
    assert seen == ["abc-2"]


# --- who me is


class Badge(BaseAuthentication):
    """Signs in whom a header names."""

    def authenticate(self, request: Any) -> Any:
        """Return the user of the header."""
        name = request.headers.get("X-Badge")
        if not name:
            return None
        return get_user_model().objects.filter(username=name).first() or AnonymousUser(), None


def test_me_is_whom_the_settings_class_names(settings: Any, person: Any) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "API": {"me": [f"{__name__}.Badge"]}}
    user, other = person(), person()
    client = Client()

    def ask(path: str, who: str, **more: Any) -> int:
        return int(client.generic("GET", f"{API}/users/{path}/preferences/", headers={"X-Badge": who}).status_code)

    assert ask("me", user.username) == 200
    assert ask(str(other.pk), user.username) == 403
    assert ask(str(user.pk), user.username) == 403
    assert ask("me", "nobody") == 403
    assert ask("me", "") == 401
    user.is_active = False
    user.save()
    assert ask("me", user.username) == 403
    client.force_login(other)  # a session says nothing here
    assert ask("me", "") == 401


def test_a_key_comes_first(settings: Any, person: Any) -> None:
    user = person()
    client = Client()
    client.force_login(user)
    answer = client.get(f"{API}/users/me/preferences/", headers={"Authorization": "Api-Key nonsense"})
    assert answer.status_code == 401
