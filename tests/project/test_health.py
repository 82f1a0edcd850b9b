"""The probes answer by what they can reach."""

import pytest
from django.test import Client


def test_healthz_needs_nothing(client: Client) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_readyz_asks_both_services(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"postgresql": "ok", "redis": "ok"}


@pytest.mark.django_db
def test_readyz_stays_ready_without_redis(client: Client, settings: object) -> None:
    """Requests are accepted without Redis: taking the process out of service would lose what it could still accept."""
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["redis"] == "unreachable"


def test_neither_is_written_to(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
