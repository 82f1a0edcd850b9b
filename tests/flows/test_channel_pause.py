"""A paused channel: nothing goes out on it, not even what a worker holds; all of it goes out once when it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from notifications import conf, notify
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import gate
from notifications.flows.claim import claim
from notifications.flows.deliver import deliver
from notifications.flows.drain import drain
from notifications.flows.gate import paused_until
from notifications.flows.operate import By
from notifications.flows.pausing import LONGEST, pause_channel, resume_channel
from notifications.flows.sweep import wake_due
from notifications.models import AuditEntry, ChannelPause, Delivery
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import waiting

pytestmark = pytest.mark.django_db
BY = By("root", "the operator's network is down")


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """What a process knows of pauses outlives a test's transaction."""
    gate.forget_holds()
    yield
    gate.forget_holds()


def states() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("state", "reason"))


def test_nothing_is_claimed_until_the_channel_goes_on(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person("token-pause-0001")
    notify(user, "new-follower", {"name": "A"})
    pause_channel(Channel.PUSH, timedelta(minutes=5), BY)
    assert drain(Channel.PUSH, "w", [Channel.PUSH]) == 0
    assert states() == [(State.PENDING, Reason.NEW)]
    assert paused_until(Channel.EMAIL) is None
    assert resume_channel(Channel.PUSH, BY)
    assert not resume_channel(Channel.PUSH, BY), "pressing twice does nothing more"
    assert drain(Channel.PUSH, "w", [Channel.PUSH]) == 1
    assert states()[0][0] == State.SENT
    assert [row.action for row in AuditEntry.objects.order_by("pk")] == ["pause_channel", "resume_channel"]


def test_what_a_worker_holds_goes_back_at_its_next_group(
    sandbox: SandboxProcess, person: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "START_GROUP", 1)
    user = person("token-pause-0002")
    for number in range(3):
        notify(user, "new-follower", {"name": f"{number}"})
    batch = claim(Channel.PUSH, tuple(Lane), "w").batch
    assert batch is not None
    pause_channel(Channel.PUSH, timedelta(minutes=5), BY)
    deliver(batch, lambda: True)
    assert states() == [(State.PENDING, Reason.NEW)] * 3
    resume_channel(Channel.PUSH, BY)
    assert drain(Channel.PUSH, "w", [Channel.PUSH]) == 3
    assert [state for state, _ in states()] == [State.SENT] * 3


def test_a_pause_ends_by_itself_and_is_bounded(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    notify(person("token-pause-0003"), "new-follower", {"name": "A"})
    for wrong in (timedelta(0), timedelta(minutes=-1), LONGEST + timedelta(minutes=1)):
        with pytest.raises(ValueError, match="at most"):
            pause_channel(Channel.PUSH, wrong, BY)
    pause_channel(Channel.PUSH, timedelta(minutes=5), BY)
    first = ChannelPause.objects.get().until
    pause_channel(Channel.PUSH, timedelta(minutes=50), BY)
    assert ChannelPause.objects.get().until > first
    ChannelPause.objects.update(until=ChannelPause.objects.get().created_at - timedelta(seconds=1))
    gate.forget_holds()
    assert drain(Channel.PUSH, "w", [Channel.PUSH]) == 1


def test_the_sweeper_wakes_nobody_for_a_paused_channel(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    notify(person("token-pause-0004"), "new-follower", {"name": "A"})
    Delivery.objects.update(due_at=Delivery.objects.database_now() - timedelta(minutes=5))
    pause_channel(Channel.PUSH, timedelta(minutes=5), BY)
    wake_due()
    assert not waiting(Channel.PUSH)
    resume_channel(Channel.PUSH, BY)
    wake_due()
    assert waiting(Channel.PUSH)
