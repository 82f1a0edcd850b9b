"""Redis or PostgreSQL away: what was acknowledged goes out once they are back, and nothing else is acknowledged."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from project import embedded
from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted, host


@dataclass
class Answer:
    """What the API said."""

    status: int
    headers: Message
    body: dict


def post_notification(stack: Stack, key: str, idempotency_key: str) -> Answer:
    """POST a login code for the first user."""
    request = urllib.request.Request(
        f"{stack.url}/api/v1/notifications/",
        data=json.dumps({"to": {"sms": "+4915112345678"}, "template": "login-code", "data": {"code": "1"}}).encode(),
        headers={
            "Authorization": f"Api-Key {key}",
            "Idempotency-Key": idempotency_key,
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, json.load(response))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, json.load(error))


def api_key(stack: Stack) -> str:
    """Return a new key that may send."""
    return stack.manage("carillon", "api-key", "create", "test", "--scope", "send").strip()


def test_with_redis_away_requests_are_accepted_and_go_out_when_it_is_back(
    stack: Stack, valkey: embedded.Services
) -> None:
    key = api_key(stack)
    stack.start_web()
    stack.start_worker()
    first = post_notification(stack, key, "while-up")
    assert first.status == 202, first.body
    wait_for(lambda: len(accepted(stack)) == 1, "the first message")

    assert valkey.valkey is not None
    valkey.valkey.stop()
    away = [post_notification(stack, key, f"away-{n}") for n in range(5)]
    assert [answer.status for answer in away] == [202] * 5
    assert len(accepted(stack)) == 1
    valkey.valkey.start()
    wait_for(lambda: len(accepted(stack)) == 6, "what was accepted while Redis was away")
    assert host(stack, "open_deliveries()") == "0"


@pytest.fixture
def own_services(tmp_path: Path) -> object:
    """A PostgreSQL of the test's own, which it may stop."""
    with embedded.start(tmp_path / "own", postgres=True, valkey=True) as services:
        yield services


def test_with_postgresql_away_requests_are_refused_for_now(tmp_path: Path, own_services: embedded.Services) -> None:
    with Stack(tmp_path / "stack", own_services.database_url, own_services.redis_url) as stack:
        stack.manage("migrate", "--verbosity", "0")
        key = api_key(stack)
        stack.start_web()
        stack.start_worker()
        assert post_notification(stack, key, "while-up").status == 202
        wait_for(lambda: len(accepted(stack)) == 1, "the first message")

        assert own_services.postgres is not None
        own_services.postgres.stop()
        refused = post_notification(stack, key, "away")
        assert (refused.status, bool(refused.headers["Retry-After"])) == (503, True)
        assert refused.headers["Content-Type"] == "application/problem+json"

        own_services.postgres.start()
        again = wait_for(
            lambda: (answer := post_notification(stack, key, "away")).status == 202 and answer, "PostgreSQL to be back"
        )
        assert again.body["deliveries"][0]["channel"] == "sms"
        wait_for(lambda: len(accepted(stack)) == 2, "the message asked for again")
        assert stack.processes["worker"].poll() is None, "the worker died with PostgreSQL"
