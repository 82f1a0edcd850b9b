"""Fixtures of tests that run flows: real PostgreSQL and Valkey, with the sandbox as the network's far end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from notifications import wakeups
from notifications.flows import gate, restored
from notifications.flows.devices import Registration, register
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions
from project.shop.models import Profile
from tests.live import notifications_settings

_numbers = itertools.count(1)
_PATIENCE_SECONDS = 5.0


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """One sandbox for all tests of a process."""
    with launch(SandboxOptions(file=tmp_path_factory.mktemp("sandbox") / "sandbox.jsonl", port=0)) as process:
        yield process


@pytest.fixture(scope="session")
def patient_redis() -> None:
    """Wait longer for Redis than a request may: on a machine that tests keep busy, half a second is no outage."""
    wakeups.connection.__wrapped__.__defaults__ = (_PATIENCE_SECONDS,)  # type: ignore[attr-defined]
    wakeups.connection.cache_clear()


@pytest.fixture
def own_redis(patient_redis: None) -> Iterator[None]:
    """Redis without what earlier tests left in it (an open breaker, a pause), and nothing remembered of it either."""
    gate.forget()
    restored.forget()
    for channel in ("push", "sms", "email"):
        wakeups.connection(channel).flushdb()
    yield
    # The next test may have other settings: what was made with these must not outlive them.
    gate.forget()
    restored.forget()


@pytest.fixture
def sandbox(
    own_redis: None, running_sandbox: SandboxProcess, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxProcess]:
    """The sandbox, with every provider of the settings pointing at it and no fault set."""
    running_sandbox.client.reset()
    key_file = tmp_path_factory.getbasetemp() / "service-account.json"
    settings.NOTIFICATIONS = notifications_settings(running_sandbox, Path(key_file))
    registry.reset()
    yield running_sandbox
    registry.reset()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Make a user of the shop with a profile, and push devices if tokens are given."""

    def make(*tokens: str, phone: str = "", email: str = "", locale: str = "", zone: str = "") -> User:
        number = next(_numbers)
        user = get_user_model().objects.create(username=f"person{number}", email=email or f"p{number}@example.com")
        Profile.objects.create(
            user=user, phone=phone or f"+4915112{number:06d}", locale=locale, time_zone=zone or "Europe/Berlin"
        )
        for token in tokens:
            register(user.pk, Registration(platform="android", address=token))
        return user

    return make
