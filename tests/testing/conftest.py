"""The kit as a host has it: the plugin's fixture, and a Redis that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from notifications import wakeups
from notifications.testing.plugin import carillon_outbox as carillon_outbox


@pytest.fixture(autouse=True)
def no_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let whoever asks for Redis all the same find nobody there."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("the kit must not ask Redis")

    wakeups.connection.cache_clear()
    monkeypatch.setattr(wakeups.django_rq, "get_connection", refused)
    monkeypatch.setattr(wakeups.django_rq, "get_queue", refused)
    yield
    wakeups.connection.cache_clear()
