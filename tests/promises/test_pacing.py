"""A provider's account is sent no more than its rate, however many workers, and nothing before Retry-After."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from notifications.sandbox.client import SandboxClient
from project import embedded
from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host
from tests.promises.paced_settings import PER_SECOND

RECIPIENTS = 900
RETRY_AFTER = 4


@pytest.fixture
def stack(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A deployment whose push account has a limit."""
    env = {"DJANGO_SETTINGS_MODULE": "tests.promises.paced_settings"}
    with Stack(tmp_path / "stack", database_url, valkey.redis_url, extra_env=env) as made:
        made.manage("migrate", "--verbosity", "0")
        yield made


def times(stack: Stack) -> list[float]:
    """Return when each push was accepted, by the sandbox's clock."""
    return [datetime.fromisoformat(row.at).timestamp() for row in accepted(stack, "fcm")]


def most_within(moments: list[float], seconds: float) -> int:
    """Return how many of these moments, in order, fall at most into any span of so many seconds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.long
def test_workers_share_one_rate_and_one_pause(stack: Stack) -> None:
    client = stack.sandbox.client
    host(stack, f"seed({RECIPIENTS})")
    for number in range(3):
        stack.start_worker(f"worker-{number}")
    host(stack, "launch()")
    wait_for(lambda: len(times(stack)) > RECIPIENTS // 4, "the broadcast to be under way")
    client.fault("fcm", "rate_limited", retry_after=RETRY_AFTER)
    wait_for(lambda: refused(stack), "a refusal")
    client.reset("fcm")
    wait_for(lambda: len(times(stack)) >= RECIPIENTS, "all pushes", seconds=180)
    moments, told = times(stack), refused(stack)[0]
    # A machine that stands still for a moment lets requests arrive together: over ten seconds that evens out.
    assert most_within(moments, 10.0) <= 1.15 * 10 * PER_SECOND
    # What was on its way when the provider said so is taken or refused; then nobody sends anything before.
    assert [at for at in moments if told + RETRY_AFTER / 2 < at < told + RETRY_AFTER] == []
    assert max(Counter(row.delivery for row in accepted(stack, "fcm")).values()) == 1


def refused(stack: Stack) -> list[float]:
    """Return when the sandbox said "slower"."""
    rows = SandboxClient.read_refused(stack.folder / "sandbox.jsonl")
    return [datetime.fromisoformat(row["at"]).timestamp() for row in rows]
