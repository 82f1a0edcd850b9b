"""Flows are tested against real PostgreSQL and Valkey, with the sandbox as the network's far end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from notifications.flows.gathering import GATHER_SECONDS
from notifications.flows.stopping import stopping
from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox

__all__ = ["clean_redis", "own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]


@pytest.fixture(autouse=True)
def clean_redis(own_redis: None) -> None:
    """Claims ask breakers and pace in Redis, with or without a sandbox: no test may meet what another one left."""


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens while it waits for more, moment by moment; as often as it waits, one is taken."""
    to_come: list[Callable[[], object]] = []

    def wait(seconds: float) -> bool:
        assert seconds == GATHER_SECONDS
        if to_come:
            to_come.pop(0)()
        return False

    monkeypatch.setattr(stopping, "wait", wait)
    return to_come
