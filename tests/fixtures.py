"""Fixtures of tests that run flows: real PostgreSQL and Valkey, with the sandbox as the network's far end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from notifications.flows import gate
from notifications.flows.devices import Registration, register
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions
from notifications.wakeups import connection
from project.shop.models import Profile
from tests.live import notifications_settings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """One sandbox for all tests of a process."""
    with launch(SandboxOptions(file=tmp_path_factory.mktemp("sandbox") / "sandbox.jsonl", port=0)) as process:
        yield process


@pytest.fixture
def sandbox(
    running_sandbox: SandboxProcess, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxProcess]:
    """The sandbox, with every provider of the settings pointing at it and no fault set."""
    running_sandbox.client.reset()
    key_file = tmp_path_factory.getbasetemp() / "service-account.json"
    settings.NOTIFICATIONS = notifications_settings(running_sandbox, Path(key_file))
    registry.reset()
    gate.breaker.cache_clear()
    gate.pace.cache_clear()
    for channel in ("push", "sms", "email"):
        connection(channel).flushdb()
    yield running_sandbox
    # The next test may have other settings: what was made with these must not outlive them.
    registry.reset()
    gate.breaker.cache_clear()
    gate.pace.cache_clear()


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
