"""A drain gathers what comes in one by one, so that a claim is not paid for each; never while another channel waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User

from notifications import notify
from notifications.enums import Channel
from notifications.flows.drain import drain
from notifications.models import Claim
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import connection, forget, wake

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_asked_for(sandbox: SandboxProcess) -> Iterator[None]:
    """No wake-up waits before or after, and nobody gathers."""
    for channel in Channel:
        forget(channel)
        connection(channel).delete(f"rq:queue:{channel}", f"carillon:gather:{channel}:drain")
    yield
    for channel in Channel:
        forget(channel)
        connection(channel).delete(f"rq:queue:{channel}", f"carillon:gather:{channel}:drain")


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


def test_whoever_gathers_spares_all_others_their_wake_ups_and_looks_once_more(
    person: Callable[..., User], moments: list[Callable[[], object]]
) -> None:
    user = person("token-gather-03")
    notify(user, "new-follower", {"name": "A"})
    woken: list[bool] = []

    def another() -> None:
        woken.append(wake(Channel.PUSH))
        notify(user, "new-follower", {"name": "B"})

    moments.append(another)
    assert drain(Channel.PUSH, "test", list(Channel)) == 2
    assert woken == [False]
    assert wake(Channel.PUSH)  # it has let go


def test_one_worker_of_a_channel_gathers(person: Callable[..., User], moments: list[Callable[[], object]]) -> None:
    user = person("token-gather-04")
    notify(user, "new-follower", {"name": "A"})
    # Without an end, for as long as a slow machine needs.
    connection(Channel.PUSH).set(f"carillon:gather:{Channel.PUSH}:drain", "another")
    moments.append(lambda: notify(user, "new-follower", {"name": "B"}))
    assert drain(Channel.PUSH, "test", list(Channel)) == 1
    assert len(moments) == 1


def test_a_code_is_not_kept_waiting(person: Callable[..., User], moments: list[Callable[[], object]]) -> None:
    user = person(phone="+4915112388001")
    notify(user, "login-code", {"code": "1"})
    moments.append(lambda: None)
    assert drain(Channel.SMS, "test", list(Channel)) == 1
    assert len(moments) == 1
