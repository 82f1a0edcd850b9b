"""In bad weather: two at once, Redis away, PostgreSQL away, and a host with settings of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from notifications import wakeups
from notifications.models import Delivery, Device, Notification
from tests.api.conftest import API, Caller, login_code, make_caller


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def together(count: int, work: Any) -> list[Any]:
    """Run `work(n)` in as many threads at the same moment."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.usefixtures("committed")
def test_the_same_key_at_the_same_time_is_one_notification(person: Any) -> None:
    user, plain = person(), make_caller().plain
    for round_ in range(5):
        key = f"k{round_}"
        answers = together(2, lambda _, key=key: Caller(plain, Client()).notify(login_code(user), key))  # type: ignore[misc]
        assert {answer.status_code for answer in answers} <= {202, 409}
        ids = {answer.json()["id"] for answer in answers if answer.status_code == 202}
        assert len(ids) == 1
        for answer in answers:
            if answer.status_code == 409:
                assert answer["Retry-After"] == "1"
        assert Notification.objects.count() == round_ + 1


@pytest.mark.usefixtures("committed")
def test_while_the_first_is_in_flight_409(person: Any) -> None:
    user, plain = person(), make_caller().plain
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Caller(plain, Client()).notify(login_code(user), "k1")
                held.set()
                release.wait(60)
                transaction.set_rollback(True)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(60)
        meanwhile = Caller(plain, Client()).notify(login_code(user), "k1")
    finally:
        release.set()
        thread.join()
    assert meanwhile.status_code == 409
    assert meanwhile["Retry-After"] == "1"
    assert meanwhile.json()["type"].endswith("/problems/idempotency-in-flight/")
    assert Caller(plain, Client()).notify(login_code(user), "k1").status_code == 202


@pytest.mark.usefixtures("committed")
def test_the_same_token_at_the_same_time_is_one_device(person: Any) -> None:
    users, plain = [person(), person()], make_caller("devices").plain
    for round_ in range(5):
        body = {"platform": "android", "address": f"token-{round_}"}

        def work(number: int, body: Any = body) -> Any:
            return Caller(plain, Client())("POST", f"users/{users[number].pk}/devices/", body)

        answers = together(2, work)
        assert {answer.status_code for answer in answers} <= {200, 201}, [answer.content for answer in answers]
        assert Device.objects.filter(is_active=True).count() == round_ + 1


@pytest.mark.usefixtures("committed")
def test_redis_away_is_still_202(person: Any, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    caller, user = make_caller(), person()
    url = f"redis://127.0.0.1:{dead_port()}/0"
    settings.RQ_QUEUES = {channel: {"URL": url} for channel in settings.RQ_QUEUES}
    wakeups.connection.cache_clear()
    wakeups._resting_until.clear()
    try:
        answer = caller.notify(login_code(user))
    finally:
        wakeups.connection.cache_clear()
        wakeups._resting_until.clear()
    assert answer.status_code == 202
    assert Delivery.objects.get().state == "pending"
    assert "no wake-up for sms" in caplog.text


@pytest.mark.usefixtures("committed")
def test_a_connection_that_broke_costs_one_503(person: Any) -> None:
    caller, user = make_caller(), person()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]

    def kill(_: int) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    together(1, kill)
    answer = caller.notify(login_code(user))
    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].endswith("/problems/database-unavailable/")
    assert caller.notify(login_code(user)).status_code == 202


def run_in_a_process(code: str, **environment: str) -> str:
    """Run code in a Django process of its own, whose settings may differ from the suite's."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.urls("tests.api.prefixed_urls")
def test_it_works_under_any_prefix(call: Caller, person: Any) -> None:
    headers = {"Authorization": f"Api-Key {call.plain}", "Idempotency-Key": "k1"}
    path = f"/deep/down{API}/notifications/"
    made = call.client.post(path, login_code(person()), content_type="application/json", headers=headers)
    assert made.status_code == 202
    assert call.client.get(made["Location"], headers=headers).status_code == 200
    assert call.client.get("/deep/down/problems/not-found/").status_code == 200


def test_postgres_away_is_503() -> None:
    out = run_in_a_process(
        f"""
        import django
        django.setup()
        from django.test import Client
        headers = {{"Authorization": "Api-Key ck_abcdefghij_x", "Idempotency-Key": "k1", "X-Request-Id": "r1"}}
        for path in ("{API}/notifications/", "{API}/broadcasts/"):
            for method in ("GET", "POST"):
                answer = Client().generic(method, path, b"{{}}", content_type="application/json", headers=headers)
                print(answer.status_code, answer["Retry-After"], answer["Content-Type"], answer["X-Request-Id"])
        """,
        DATABASE_URL=f"postgres://nobody@127.0.0.1:{dead_port()}/none",
    )
    assert out.splitlines() == ["503 1 application/problem+json r1"] * 4


def test_it_answers_the_same_in_a_host_with_settings_of_its_own() -> None:
    out = run_in_a_process(
        f"""
        from django.conf import settings
        settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "rest_framework"]
        settings.DEBUG = True
        settings.REST_FRAMEWORK = {{
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.AdminRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
            "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
            "DEFAULT_THROTTLE_RATES": {{"anon": "1/day"}},
            "EXCEPTION_HANDLER": "nowhere.at_all",
            "NON_FIELD_ERRORS_KEY": "all",
            "URL_FORMAT_OVERRIDE": "cursor",
            "UNAUTHENTICATED_USER": None,
        }}
        import django
        django.setup()
        from django.test import Client
        for path in ("{API}/notifications/?cursor=x", "{API}/nothing/", "{API}/users/me/devices/"):
            answer = Client().get(path, headers={{"Accept": "text/html"}})
            print(answer.status_code, answer["Content-Type"])
        # Where nobody has to say who they are, nobody is None.
        body = {{"data": '{{"event": "opened"}}', "content_type": "application/json"}}
        print(Client().get("{API}/schema/").status_code, Client().get("{API}/docs/").status_code)
        print(Client().post("{API}/receipts/x/", **body).status_code)
        """
    )
    told = [f"{status} application/problem+json" for status in (401, 404, 401)]
    assert out.splitlines() == [*told, "200 200", "404"]
