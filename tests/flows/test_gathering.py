"""A drain gathers what comes in one by one, so that a claim is not paid for each; never while another channel waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User

from notifications import notify
from notifications.enums import Channel
from notifications.flows.drain import _GATHER_SECONDS, drain
from notifications.flows.stopping import stopping
from notifications.models import Claim
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import connection, forget, wake

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_asked_for(sandbox: SandboxProcess) -> Iterator[None]:
    """No wake-up waits before or after."""
    for channel in Channel:
        forget(channel)
        connection(channel).delete(f"rq:queue:{channel}")
    yield
    for channel in Channel:
        forget(channel)
        connection(channel).delete(f"rq:queue:{channel}")


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens while the drain waits for more, moment by moment; as often as it waits, one is taken."""
    to_come: list[Callable[[], object]] = []

    def wait(seconds: float) -> bool:
        assert seconds == _GATHER_SECONDS
        if to_come:
            to_come.pop(0)()
        return False

    monkeypatch.setattr(stopping, "wait", wait)
    return to_come


def test_what_comes_while_it_gathers_is_sent_by_the_same_drain(
    person: Callable[..., User], moments: list[Callable[[], object]]
) -> None:
    user = person("token-gather-01")
    notify(user, "new-follower", {"name": "A"})

    def two_more() -> None:
        notify(user, "new-follower", {"name": "B"})
        notify(user, "new-follower", {"name": "C"})

    moments.append(two_more)
    assert drain(Channel.PUSH, "test", list(Channel)) == 3
    assert (Claim.objects.count(), moments) == (0, [])
    assert drain(Channel.PUSH, "test", list(Channel)) == 0


def test_it_does_not_gather_while_another_channel_waits(
    person: Callable[..., User], moments: list[Callable[[], object]]
) -> None:
    user = person("token-gather-02")
    notify(user, "new-follower", {"name": "A"})
    wake(Channel.SMS)
    moments.append(lambda: notify(user, "new-follower", {"name": "B"}))
    assert drain(Channel.PUSH, "test", list(Channel)) == 1
    assert len(moments) == 1
