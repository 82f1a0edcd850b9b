"""Each channel once, from `notify()` to the sandbox's file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from notifications import Address, notify
from notifications.models import Delivery, Device, Notification
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db


def _only(notification: Notification) -> Delivery:
    return Delivery.objects.get(notification=notification)


def test_a_login_code_goes_out_by_sms(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person(phone="+4915112345678", locale="de")
    sent = notify(user, "login-code", {"code": "493021"})
    assert _only(sent).state == "pending"
    work()
    delivery = _only(sent)
    assert (delivery.state, delivery.attempt, delivery.provider) == ("sent", 1, "twilio")
    arrived = next(m for m in sandbox.client.messages() if m.delivery == str(delivery.pk))
    assert arrived.to == "+4915112345678"
    assert "493021 ist Ihr Code" in str(arrived.content)


def test_an_order_email_speaks_the_recipients_language(sandbox: SandboxProcess, person: Callable[..., User]) -> None:
    user = person(email="ada@example.com", locale="de-AT")
    sent = notify(user, "order-shipped", {"number": "A-1", "total": 59.9, "items": ["Bell & <Rope>"]})
    work()
    delivery = _only(sent)
    assert (delivery.state, delivery.error_detail) == ("sent", "")
    arrived = next(m for m in sandbox.client.messages() if m.delivery == str(delivery.pk))
    assert arrived.content["subject"] == "Bestellung A-1 ist unterwegs"
    assert "Bell &amp; &lt;Rope&gt;" in arrived.content["html"]
    assert "59,90" in arrived.content["html"]


def test_a_dead_token_is_pruned_and_the_other_device_gets_it(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    user = person("good-token-00001", "dead-token-00001")
    sent = notify(user, "new-follower", {"name": "Grace"})
    work()
    states = dict(Delivery.objects.filter(notification=sent).values_list("address", "state"))
    assert states == {"good-token-00001": "sent", "dead-token-00001": "failed"}
    device = Device.objects.get(address="dead-token-00001")
    assert (device.is_active, device.deactivated_reason) == (False, "unregistered")


def test_somebody_without_an_account_is_reached(sandbox: SandboxProcess) -> None:
    sent = notify(Address(email="Grace@Example.com", locale="en"), "invoice", {"order": {"number": "A-1", "total": 3}})
    work()
    delivery = _only(sent)
    assert (delivery.state, delivery.reason, delivery.error_code) == ("sent", "", "")
    assert (delivery.address, delivery.recipient[:2]) == ("Grace@example.com", "a:")
