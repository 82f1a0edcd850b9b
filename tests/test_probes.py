"""The probes answer by what they can reach; the metrics are Prometheus' and name nobody."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from notifications import jobs, wakeups, workers
from notifications.enums import Channel
from notifications.flows.sweep import sweep
from tests.fixtures import own_redis, patient_redis

__all__ = ["own_redis", "patient_redis"]


@pytest.fixture(autouse=True)
def clean_redis(own_redis: None) -> None:
    """No worker of another test is counted."""


@pytest.fixture
def away(settings: Any) -> Any:
    """Let Redis be a port where nobody listens."""
    before = {name: dict(queue) for name, queue in settings.RQ_QUEUES.items()}
    for queue in settings.RQ_QUEUES.values():
        queue["URL"] = "redis://127.0.0.1:9/0"
    wakeups.connection.cache_clear()
    yield
    for name, queue in before.items():
        settings.RQ_QUEUES[name].update(queue)
    wakeups.connection.cache_clear()


def swept(seconds: float) -> None:
    """Let a round of the sweeper have begun so many seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM carillon_lease WHERE name = 'sweeper'")
        cursor.execute(
            "INSERT INTO carillon_lease (name, holder, expires_at)"
            " VALUES ('sweeper', 'somebody', clock_timestamp() + make_interval(secs => 10 - %s))",
            [seconds],
        )


def test_healthz_needs_nothing(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_none_is_written_to(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_readyz_tells_what_misses_and_only_strictly_fails_for_it(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["postgresql"], told["redis"], told["sweeper"]) == ("ok", "ok", "never ran")
    assert told["workers"] == {"push": 0, "sms": 0, "email": 0}
    assert client.get("/readyz?strict").status_code == 503

    swept(2)
    wakeups.beat(Channel, "host:1:abc")
    wakeups.beat([Channel.SMS], "host:2:def")
    answer = client.get("/readyz?strict")
    assert (answer.status_code, answer.json()["workers"]) == (200, {"push": 1, "sms": 2, "email": 1})

    wakeups.leave([Channel.EMAIL], "host:1:abc")
    assert client.get("/readyz?strict").status_code == 503
    wakeups.beat([Channel.EMAIL], "host:1:abc")
    swept(600)
    answer = client.get("/readyz?strict")
    assert answer.status_code == 503
    assert "stale" in answer.json()["sweeper"]
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_stays_ready_without_redis(client: Client, away: None) -> None:
    """Requests are accepted without Redis: taking the process out of service would lose what it could still accept."""
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"]) == (200, "unreachable")
    assert answer.json()["workers"] == dict.fromkeys(("push", "sms", "email"), "unreachable")
    assert client.get("/readyz?strict").status_code == 503


def with_token(settings: Any, token: str | None) -> None:
    """Set the token of the metrics."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "METRICS_TOKEN": token}


@pytest.mark.django_db
def test_metrics_want_their_token(client: Client, settings: Any) -> None:
    with_token(settings, "s3cret")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer s3cre"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "s3cret"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer ünïcode"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    with_token(settings, None)
    assert client.get("/metrics").status_code == 404
    settings.DEBUG = True
    assert client.get("/metrics").status_code == 200


@pytest.mark.django_db
def test_metrics_are_read_by_prometheus_and_without_redis_too(client: Client, settings: Any, away: None) -> None:
    settings.DEBUG = True
    answer = client.get("/metrics")
    found = {family.name: family.samples for family in text_string_to_metric_families(answer.content.decode())}
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {sample.value for sample in found["carillon_redis_up"]} == {0.0}
    assert len(found["carillon_backlog_deliveries"]) == 12
    assert "carillon_workers" not in found
    assert "carillon_breaker_state" not in found


@pytest.mark.django_db(transaction=True)
def test_a_worker_tells_that_it_is_alive_and_is_forgotten_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "served", [Channel.SMS])
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(workers, "stopping", stopped)
    sweeper = workers.Sweeper("host:1:abc")
    sweeper._beat(0.0)
    assert [sorted(wakeups.live_workers(channel) or ()) for channel in Channel] == [[], ["host:1:abc"], []]
    wakeups.connection(Channel.SMS).flushdb()
    sweeper._beat(5.0)
    assert wakeups.live_workers(Channel.SMS) == {}, "it tells every ten seconds"
    sweeper._beat(10.0)
    assert list(wakeups.live_workers(Channel.SMS) or ()) == ["host:1:abc"]
    sweeper.run()
    assert wakeups.live_workers(Channel.SMS) == {}


@pytest.mark.django_db(transaction=True)
def test_a_sweeper_that_ends_leaves_the_lead_to_another(own_redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(workers, "stopping", stopped)
    assert sweep("host:1:abc")
    assert not sweep("host:2:def")
    workers.Sweeper("host:2:def").run()
    assert sweep("host:1:abc"), "it was not the other's to give up"
    workers.Sweeper("host:1:abc").run()
    assert sweep("host:2:def")
