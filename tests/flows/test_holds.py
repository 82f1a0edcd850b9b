"""Holds: of a whole provider or of one platform, by hand or by its own fault, and nobody is deactivated meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import notify
from notifications.enums import Channel, Lane, Platform, Reason, State
from notifications.exceptions import ProviderMisconfigured
from notifications.flows import gate, operate
from notifications.flows.claim import claim
from notifications.flows.consequences import act_on
from notifications.flows.deliver import deliver
from notifications.flows.devices import Registration, register
from notifications.flows.operate import By
from notifications.flows.prune import Answers
from notifications.flows.release import release
from notifications.messages import Content, OutboundMessage, SendResult
from notifications.models import Alert, AuditEntry, Delivery, Device, ProviderHold
from notifications.rules.identity import new_id
from notifications.sandbox.process import SandboxProcess
from tests.live import wait_for, work

pytestmark = pytest.mark.django_db
Make = Callable[..., User]
BY = By("ada", "their status page is red")


def with_devices(user: User, *platforms: str) -> None:
    """Register a device of each platform, with FCM's tokens."""
    for platform in platforms:
        register(user.pk, Registration(platform=platform, token_type="fcm", address=f"token-{platform}-{user.pk}"))


def by_platform() -> dict[str, str]:
    """Return the state of each delivery by its device's platform."""
    platforms = dict(Device.objects.values_list("pk", "platform"))
    return {platforms[row.device_id]: f"{row.state} {row.reason}".strip() for row in Delivery.objects.all()}


def refused(platform: str) -> SendResult:
    """Return FCM's answer to a device whose platform's credentials are wrong."""
    message = OutboundMessage(new_id(), 1, 0, Channel.PUSH, "token", Content(), platform=platform)
    error = ProviderMisconfigured("fcm", "THIRD_PARTY_AUTH_ERROR", "wrong key", platforms=("ios", "web"))
    return SendResult(message, error=error)


def test_thousands_of_refusals_deactivate_nobody_hold_the_provider_and_raise_one_alert(
    sandbox: SandboxProcess, person: Make
) -> None:
    """403 PERMISSION_DENIED, 404 without errorCode, and INVALID_ARGUMENT for an oversized payload."""
    for kind in ("forbidden", "notfound", "oversized"):
        for number in range(70):
            notify(person(f"{kind}-{number:04d}"), "new-follower", {"name": "A"})
    work()
    assert ProviderHold.objects.filter(alias="fcm", until__gt=timezone.now()).exists()

    def others_had_a_turn() -> bool:
        # Of those that are due at the same moment the same ones go first each time: some others are let go before.
        waiting = Delivery.objects.filter(state=State.PENDING)
        first = list(waiting.order_by("?").values_list("pk", flat=True)[:20])
        waiting.update(due_at=timezone.now())
        waiting.filter(pk__in=first).update(due_at=timezone.now() - timedelta(seconds=1))
        ProviderHold.objects.update(until=timezone.now())
        gate.forget()
        work()
        return Delivery.objects.exclude(state=State.PENDING).exists()

    for _ in range(5):
        others_had_a_turn()
    wait_for(others_had_a_turn, "a message that is refused for itself")
    assert not Device.objects.filter(is_active=False).exists()
    alert = Alert.objects.get(subject="fcm")
    assert (alert.kind, alert.acknowledged_at) == ("provider_misconfigured", None)
    assert alert.count > 1
    refused_for_good = Delivery.objects.exclude(state=State.PENDING)
    assert set(refused_for_good.values_list("state", "reason")) == {("failed", "refused")}
    assert {row.address.split("-")[0] for row in refused_for_good} == {"oversized"}


def test_what_a_hold_parked_is_due_again_when_it_ends(sandbox: SandboxProcess, person: Make) -> None:
    gate.hold_misconfigured("fcm", "401")
    made = notify(person("token-parked-01"), "new-follower", {"name": "A"})
    work()
    row = Delivery.objects.get(notification=made)
    held = ProviderHold.objects.get()
    assert (row.state, row.reason, row.due_at, row.attempt) == (
        State.PENDING, Reason.BREAKER_OPEN, held.until, 0,
    )  # fmt: skip
    assert timezone.now() < held.until <= timezone.now() + gate.MISCONFIGURED_HOLD


@pytest.mark.parametrize("held", [Platform.IOS, Platform.WEB])
def test_a_platform_whose_credentials_are_wrong_is_held_alone(
    sandbox: SandboxProcess, person: Make, held: Platform
) -> None:
    user = person()
    with_devices(user, *Platform.values)
    act_on(Answers("fcm", timezone.now()), [refused(held), refused(held)])
    hold = ProviderHold.objects.get()
    assert (hold.alias, hold.platform) == ("fcm", held)
    assert gate.held_until("fcm") is None
    assert gate.held_until("fcm", held) == hold.until
    assert Alert.objects.get().subject == f"fcm {held}"
    notify(user, "new-follower", {"name": "A"})
    work()
    expected = {name: "pending breaker_open" if name == held else "sent" for name in Platform.values}
    assert by_platform() == expected
    assert release("fcm", held) == 1
    work()
    assert by_platform() == dict.fromkeys(Platform.values, "sent")


def test_a_refusal_of_an_unknown_platform_holds_all_that_it_may_be(sandbox: SandboxProcess) -> None:
    act_on(Answers("fcm", timezone.now()), [refused("")])
    assert set(ProviderHold.objects.values_list("platform", flat=True)) == {"ios", "web"}
    assert Alert.objects.count() == 1


def test_a_hold_of_the_whole_provider_holds_every_platform(sandbox: SandboxProcess) -> None:
    gate.hold("fcm", "maintenance", by="ada", lasting=timedelta(hours=1))
    gate.hold_misconfigured("fcm", "wrong key", ["ios"])
    whole = gate.held_until("fcm")
    assert whole is not None
    assert gate.held_until("fcm", "ios") == whole
    assert gate.held_until("fcm", "android") == whole
    gate.end_hold("fcm")
    assert gate.held_until("fcm", "android") is None
    assert gate.held_until("fcm", "ios") is not None


def test_a_hold_that_comes_under_way_stops_the_rest_of_the_claim(sandbox: SandboxProcess, person: Make) -> None:
    for _ in range(2):
        with_devices(person(), Platform.IOS, Platform.ANDROID)
    for user in User.objects.filter(username__startswith="person"):
        notify(user, "new-follower", {"name": "A"})
    claimed = claim(Channel.PUSH, tuple(Lane), "test")
    assert claimed.batch is not None
    gate.hold_misconfigured("fcm", "wrong key", ["ios"])
    assert gate.held_until("fcm") is None, "asked before every further group"
    deliver(claimed.batch, lambda: True)
    assert by_platform() == {"ios": "pending breaker_open", "android": "sent"}


def test_operators_hold_and_release_with_an_end_a_reason_and_an_audit(sandbox: SandboxProcess, person: Make) -> None:
    operate.hold_provider("fcm", timedelta(minutes=30), BY, "ios")
    held = ProviderHold.objects.get()
    assert (held.platform, held.held_by, held.reason) == ("ios", "ada", BY.reason)
    assert held.until > timezone.now()
    user = person()
    with_devices(user, Platform.IOS)
    notify(user, "new-follower", {"name": "A"})
    work()
    assert by_platform() == {"ios": "pending breaker_open"}
    assert operate.release_providers([held.pk], By("bob", "green again")) == 1
    assert not operate.release_alias("fcm", By("eve", "me too")), "nothing was held any more"
    work()
    assert by_platform() == {"ios": "sent"}
    told = list(AuditEntry.objects.order_by("pk").values_list("actor", "action", "subject", "reason"))
    assert told == [
        ("ada", "hold_provider", "fcm ios", BY.reason),
        ("bob", "release_provider", "fcm ios", "green again"),
    ]
