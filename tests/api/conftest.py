"""Tests of the HTTP door: requests through the whole stack, against real PostgreSQL and Valkey."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import Client

from notifications.enums import Scope
from notifications.flows.declare import load_declarations
from notifications.flows.keys import create_key
from notifications.rules.grants import EVERYTHING, Grant
from project.shop.models import Profile
from tests.api.described import assert_described
from tests.fixtures import own_redis, patient_redis

__all__ = ["own_redis", "patient_redis"]  # pytest finds fixtures here by their names

API = "/api/v1"
_numbers = itertools.count(1)


@dataclass
class Caller:
    """A client with an API key; an answer that the document does not foresee fails its test."""

    plain: str
    client: Client

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request; headers are written with underscores."""
        sent = {"Authorization": f"Api-Key {self.plain}", **{name.replace("_", "-"): v for name, v in headers.items()}}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else f"{API}/{path}"
        answer = self.client.generic(method, url, data, content_type="application/json", headers=sent)
        assert_described(method, url, answer)
        return answer

    def notify(self, body: Any, key: str = "k1") -> Any:
        """Send one notification."""
        return self("POST", "notifications/", body, Idempotency_Key=key)


def make_caller(*scopes: str, owner: str = "shop", grant: Grant = EVERYTHING) -> Caller:
    """Make a caller whose key has these scopes, or all."""
    key, plain = create_key("test", scopes or Scope.values, owner=owner, grant=grant)
    # Its first use is noted beforehand, so that statements can be counted.
    type(key).objects.filter(pk=key.pk).update(last_used_at=key.created_at)
    return Caller(plain, Client())


@pytest.fixture
def call(db: None) -> Caller:
    """A caller who may do everything."""
    return make_caller()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Make a user with a profile."""

    def make(**profile: str) -> User:
        number = next(_numbers)
        user = get_user_model().objects.create(username=f"api{number}", email=f"api{number}@example.com")
        Profile.objects.create(user=user, **{"phone": f"+4915110{number:06d}", **profile})
        return user

    return make


@pytest.fixture
def committed(transactional_db: None) -> None:
    """A database in which requests really commit; the flush between tests takes declarations with it."""
    load_declarations()


def login_code(user: User, **more: Any) -> dict[str, Any]:
    """Return the body of a login code to a user."""
    return {"user": str(user.pk), "template": "login-code", "data": {"code": "493021"}, **more}


def order(user: User, number: str = "A-1", **more: Any) -> dict[str, Any]:
    """Return the body of an order's email to a user."""
    data = {"number": number, "total": 9.5, "items": ["Bell"]}
    return {"user": str(user.pk), "template": "order-shipped", "data": data, **more}
