"""The providers' door against strangers: whatever they get wrong, nothing of it is taken and no row is written."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.test import Client

from notifications.messages import WebhookRequest
from notifications.models import Receipt
from notifications.providers import registry, sns
from tests.contracts.esp_callbacks import certificate
from tests.contracts.forgeries import ALIASES, PUBLIC_URL, WAYS, forgeries, genuine, providers

pytestmark = pytest.mark.django_db
#: Half of a surrogate pair, which JSON can hold and UTF-8 cannot: as a signature, in what is signed, and as a name.
HALVES = (b'{"sig": "\\ud800"}', b'{"sig": "x", "a": "\\ud800"}', b'{"sig": "x", "\\udfff": "a"}')
#: Every way of forging for every provider once.
SLICE = 150


@pytest.fixture(autouse=True)
def everybody(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accounts at everybody who sends callbacks, behind a proxy that Django was told to believe."""
    routes = {"sms": ["twilio"], "email": ["postmark"]}
    changed = {"PUBLIC_URL": PUBLIC_URL, "PROVIDERS": providers(), "ROUTES": routes}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, **changed}
    settings.USE_X_FORWARDED_HOST, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    monkeypatch.setattr(sns, "fetch", lambda _: (200, certificate("provider")))
    sns.forget_certificates()
    registry.reset()
    yield
    registry.reset()
    sns.forget_certificates()


def send(request: WebhookRequest) -> Any:
    """Send a callback to the door, at whatever host the test client has."""
    parts = urlsplit(request.url)
    path = "/webhooks/" + parts.path.partition("/webhooks/")[2]
    headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
    return Client().generic(
        request.method,
        path + (f"?{parts.query}" if parts.query else ""),
        request.body,
        content_type=request.headers["Content-Type"],
        headers=headers,
    )


def rows() -> int:
    """Count the rows of every table of the app."""
    return sum(model._default_manager.count() for model in apps.get_app_config("carillon").get_models())


def attack(count: int) -> Counter[str]:
    """Send so many forgeries; return how often each way was tried. Fails on the first that is taken."""
    before, tried = rows(), Counter[str]()
    for alias, way, request in forgeries(count):
        answer = send(request)
        assert 400 <= answer.status_code < 500, (alias, way, answer.status_code, request)
        tried[way] += 1
    assert rows() == before
    assert set(tried) == {way.__name__ for way in WAYS}
    return tried


def test_every_way_of_forging_every_providers_callback_is_refused() -> None:
    assert attack(SLICE).total() == SLICE


@pytest.mark.long
def test_ten_thousand_forgeries_and_not_one_is_taken() -> None:
    tried = attack(10_000)
    assert tried.total() == 10_000
    print(dict(tried))


@pytest.mark.parametrize("alias", ALIASES)
def test_what_they_are_forgeries_of_is_taken_wherever_it_comes_in(alias: str) -> None:
    """Otherwise the tests above would show nothing."""
    proxy = {"Host": "10.0.0.7:8000", "X-Forwarded-Host": "inside.example:8443", "X-Forwarded-Proto": "http"}
    made = genuine(alias, random.Random(alias))
    through = WebhookRequest(made.url, "POST", {**made.headers, **proxy}, made.body)
    assert send(through).status_code == 200
    assert Receipt.objects.filter(provider=alias).count() == 1
    assert send(through).status_code == 200
    assert Receipt.objects.filter(provider=alias).count() == 1


def test_the_order_of_a_forms_fields_does_not_matter() -> None:
    made = genuine("twilio", random.Random(1))
    turned = b"&".join(reversed(made.body.split(b"&")))
    assert send(WebhookRequest(made.url, "POST", made.headers, turned)).status_code == 200


def test_a_flood_of_unsigned_callbacks_asks_the_database_nothing(django_assert_num_queries: Any) -> None:
    bare = {"Content-Type": "application/json"}
    with django_assert_num_queries(0):
        for alias in ALIASES:
            for body in (b"{}", b"[]", b"x" * 100_000, b"\xff\x00", b"[" * 50_000, *HALVES):
                answer = send(WebhookRequest(f"{PUBLIC_URL}/webhooks/{alias}/", "POST", bare, body))
                assert answer.status_code == 403
