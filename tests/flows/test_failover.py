"""Failover between the providers of a route: only when it is certain that the first did not take the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

from notifications import notify
from notifications.enums import Channel, Reason, State
from notifications.models import Delivery, DeliveryEvent
from notifications.providers import registry
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
NOWHERE = "http://127.0.0.1:9"  # the discard port: connections are refused


@pytest.fixture
def two(sandbox: SandboxProcess, settings: Any) -> Callable[..., None]:
    """Route SMS through "twilio", then "second"; either may be out of reach."""

    def route(*out_of_reach: str) -> None:
        configured = settings.NOTIFICATIONS
        twilio = configured["PROVIDERS"]["twilio"]
        away = {**twilio, "OPTIONS": {**twilio["OPTIONS"], "base_url": NOWHERE}}
        accounts = {alias: away if alias in out_of_reach else twilio for alias in ("twilio", "second")}
        settings.NOTIFICATIONS = {
            **configured,
            "PROVIDERS": {**configured["PROVIDERS"], **accounts},
            "ROUTES": {**configured["ROUTES"], "sms": list(accounts)},
        }
        registry.reset()

    return route


def code(person: Callable[..., User], phone: str = "") -> Delivery:
    """Send a login code by SMS and return its delivery after one round of work."""
    notify(person(phone=phone), "login-code", {"code": "493021"})
    work(Channel.SMS)
    return due_again()


def due_again() -> Delivery:
    """Let what waits be due now, and return the only SMS."""
    Delivery.objects.filter(state=State.PENDING).update(due_at=Now())
    return Delivery.objects.get(channel=Channel.SMS)


def test_what_the_first_certainly_did_not_take_goes_through_the_second(
    two: Callable[..., None], person: Callable[..., User], sandbox: SandboxProcess
) -> None:
    two("twilio")
    row = code(person)
    # Asked of the log: where the machine is slow, the retry may have come due within the same drain.
    first = DeliveryEvent.objects.get(delivery=row, attempt=1)
    assert (first.state, first.reason, first.provider) == (State.PENDING, Reason.RETRY, "twilio")
    work(Channel.SMS)
    row = due_again()
    assert (row.state, row.provider, row.attempt, row.possible_duplicate) == (State.SENT, "second", 2, False)
    assert len(sandbox.client.messages(to=row.address)) == 1


def test_what_the_first_may_have_sent_goes_through_no_other(
    two: Callable[..., None], person: Callable[..., User], sandbox: SandboxProcess
) -> None:
    two()
    sandbox.client.fault("twilio", "error_after_accept")
    row = code(person)
    assert row.state == State.UNCERTAIN
    Delivery.objects.update(state=State.PENDING, reason=Reason.RETRY, due_at=Now())
    sandbox.client.fault("twilio", "ok")
    work(Channel.SMS)
    row = due_again()
    assert (row.state, row.provider, row.attempt, row.possible_duplicate) == (State.SENT, "twilio", 2, True)


def test_when_both_are_out_of_reach_it_waits_and_is_lost_to_neither(
    two: Callable[..., None], person: Callable[..., User]
) -> None:
    two("twilio", "second")
    row = code(person)
    for _ in range(3):
        work(Channel.SMS)
        row = due_again()
    seen = set(DeliveryEvent.objects.filter(delivery=row).values_list("provider", flat=True))
    assert seen == {"twilio", "second"}
    assert (row.state, row.retries, row.possible_duplicate) == (State.PENDING, 0, False)
