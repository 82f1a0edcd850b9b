"""A drain makes way for a broadcast that waits to be planned, so that one worker plans while another sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from notifications import conf, notify
from notifications.enums import Channel
from notifications.flows.drain import drain
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import PLAN_JOB, connection, forget, wake

pytestmark = pytest.mark.django_db
QUEUE = "rq:queue:push"


@pytest.fixture(autouse=True)
def queue(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What waits on the channel's queue, by kinds; each drain may make way after its first small claim."""
    monkeypatch.setattr(conf, "DRAIN_SECONDS", 0.0)
    monkeypatch.setattr(conf, "CLAIM_SIZE", 5)
    redis = connection(Channel.PUSH)
    redis.delete(QUEUE)
    forget(Channel.PUSH)
    yield lambda: [item.decode().partition("-")[0] for item in redis.lrange(QUEUE, 0, -1)]
    redis.delete(QUEUE)
    forget(Channel.PUSH)


@pytest.fixture
def twelve(person: Callable[..., User]) -> None:
    """Twelve messages that are due."""
    user = person("token-way-0001")
    for number in range(12):
        notify(user, "new-follower", {"name": str(number)})


@pytest.mark.usefixtures("twelve")
def test_a_drain_makes_way_for_planning_and_is_asked_for_again_once(queue: Callable[[], list[str]]) -> None:
    wake(Channel.PUSH, PLAN_JOB, str(uuid4()))
    assert drain(Channel.PUSH, "test", [Channel.PUSH]) == 5
    assert queue() == ["plan_broadcast", "drain"]
    assert drain(Channel.PUSH, "test", [Channel.PUSH]) == 5
    assert queue() == ["plan_broadcast", "drain", "drain"]  # two were begun: the first is still to be taken


@pytest.mark.usefixtures("twelve")
def test_a_drain_makes_no_way_for_other_drains(queue: Callable[[], list[str]]) -> None:
    assert drain(Channel.PUSH, "test", [Channel.PUSH]) == 12
    assert queue() == ["drain"]
