"""Export and erase: everything that is kept about a person, gathered messages and throttle windows included."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from notifications import broadcast, notify
from notifications.cipher import address_hash
from notifications.enums import SuppressionCause
from notifications.flows.broadcast import plan_page
from notifications.flows.erase import erase, foresee_erasure
from notifications.flows.export import export
from notifications.flows.preferences import change_preferences
from notifications.flows.suppress import suppress
from notifications.models import (
    AddressTrouble,
    AuditEntry,
    Broadcast,
    Category,
    Delivery,
    Device,
    Digest,
    Notification,
    Preference,
    Receipt,
    Suppression,
    Template,
    ThrottleWindow,
)
from notifications.rules.identity import new_id
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Profile
from tests.live import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def somebody(sandbox: SandboxProcess, person: Callable[..., User]) -> User:
    """A person with everything that can be kept: one message sent, two gathered, wishes, a suppression."""
    Category.objects.filter(slug="social").update(throttle="1/day", digest="hourly")
    user = person("token-private-0001", email="private@example.com", phone="+4915112999888")
    change_preferences(
        f"u:{user.pk}", {"devices": {str(Device.objects.get().pk): True}, "categories": {"news": {"push": False}}}
    )
    for name in ("Marie", "Lise", "Emmy"):
        notify(user, "new-follower", {"name": f"{name} Unmistakable"})
        work()
    notify(user, "login-code", {"code": "493021"})
    suppress("email", "private@example.com", SuppressionCause.COMPLAINT, "email")
    work()
    return user


def test_an_export_has_digests_windows_and_devices(somebody: User) -> None:
    told: Any = export(f"u:{somebody.pk}")
    first, *gathered = [item.pk for item in Notification.objects.filter(template="new-follower").order_by("pk")]
    (digest,), (window,) = told["digests"], [row for row in told["throttle_windows"] if row["category"] == "social"]
    assert (digest["gathered"], digest["notification"]) == (gathered, None)
    assert window["admitted"] == [first]
    assert told["preferences"]["devices"] == {str(Device.objects.get().pk): True}
    assert [row["source"] for row in told["suppressions"]] == ["email"]
    text = json.dumps(told, cls=DjangoJSONEncoder)
    assert text.count("Unmistakable") == 3
    assert "493021" not in text


def rows_with(*traces: str) -> list[tuple[str, str]]:
    """Return every row of every model of ours that holds one of these, in whatever column; the audit apart."""
    found = []
    for model in apps.get_app_config("carillon").get_models(include_auto_created=True):
        if model is AuditEntry or model._meta.proxy:
            continue
        for row in model._default_manager.values():
            text = json.dumps(row, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))
            found += [(model.__name__, trace) for trace in traces if trace in text]
    return found


def test_erasing_leaves_nothing_but_a_hash_and_can_be_repeated(somebody: User) -> None:
    who, device = f"u:{somebody.pk}", str(Device.objects.get().pk)
    erased = [str(row) for row in Notification.objects.values_list("pk", flat=True)]
    change_preferences(who, {"categories": {"news": None}})
    assert Digest.objects.exists()
    assert erase(who, actor="test")["digests"] >= 1
    assert not any(erase(who, actor="test").values())
    traces = ("Unmistakable", "private@", "token-private", "+4915112999888", who, device, *erased)
    assert rows_with(*traces) == []
    kept = Suppression.objects.get()
    assert (kept.address_hash, kept.hint) == (address_hash("email", "private@example.com"), "")
    assert AuditEntry.objects.filter(action="erase").count() == 2
    assert Template.objects.exists()


# --- addresses of former times

FORMER, KEY = "former@example.com", 987654321
ORDER = {"number": "Unmistakable", "total": 2.5, "items": []}


def receipt(key: str, address: str, delivery: Delivery | None = None, **fields: Any) -> Receipt:
    """Store what a provider told."""
    values = {"kind": "bounced", "raw": f"to {address}", "received_at": timezone.now(), **fields}
    return Receipt.objects.create(
        provider="email",
        event_key=key,
        address=address,
        address_hash=address_hash("email", address),
        delivery_id=delivery and delivery.pk,
        **values,
    )


@pytest.fixture
def moved(sandbox: SandboxProcess, db: None) -> User:
    """Somebody who got an email at an address that they have given up since, with all that is known of it."""
    user = User.objects.create(pk=KEY, username="moved", email=FORMER)
    Profile.objects.create(user=user)
    notify(user, "order-shipped", ORDER)
    work()
    delivery = Delivery.objects.get()
    together = timezone.now()
    receipt("mine", FORMER, delivery, raw=f"{FORMER} and other@example.com", received_at=together)
    receipt("others", "other@example.com", raw=f"{FORMER} and other@example.com", received_at=together)
    receipt("unmatched", FORMER)
    suppress("email", FORMER, SuppressionCause.COMPLAINT, "email")
    AddressTrouble.objects.count_up("email", address_hash("email", FORMER), None, timedelta(days=7))
    for status, audience, exclude in (
        ("done", {"users": [KEY, "1"]}, None),
        ("scheduled", {"users": [str(KEY)]}, {"users": [str(KEY)]}),
        ("done", {"all": True}, {"users": [str(KEY), "x"]}),
    ):
        Broadcast.objects.create(
            notification_id=new_id(),
            status=status,
            audience=audience,
            exclude=exclude,
            cursor=str(KEY) * (status == "done"),
        )
    User.objects.filter(pk=KEY).update(email="today@example.com")
    return user


def test_an_export_has_what_is_known_of_former_addresses(moved: User) -> None:
    told: Any = export(f"u:{KEY}")
    assert [row["cause"] for row in told["suppressions"]] == ["complaint"]
    assert [row["count"] for row in told["addresses_in_trouble"]] == [1]
    assert {"to former@example.com", None} <= {row["raw"] for row in told["receipts"]}
    assert "other@" not in json.dumps(told, cls=DjangoJSONEncoder)
    assert len(told["broadcasts"]) == 3


def test_erasing_finds_former_addresses_and_lists_of_broadcasts(moved: User) -> None:
    foreseen = foresee_erasure(f"u:{KEY}")
    done = erase(f"u:{KEY}", actor="test")
    assert done == foreseen
    assert (done["addresses_in_trouble"], done["suppression_hints"], done["broadcasts"]) == (1, 1, 3)
    assert done["receipts"] >= 2
    assert rows_with("Unmistakable", FORMER, "today@", str(KEY)) == []
    assert Receipt.objects.get(event_key="others").address == "other@example.com"
    lists = [(row.audience, row.exclude) for row in Broadcast.objects.order_by("pk")]
    assert lists == [({"users": ["1"]}, None), ({"users": []}, {"users": []}), ({"all": True}, {"users": ["x"]})]
    assert Suppression.objects.in_force().count() == 1
    assert not any(erase(f"u:{KEY}", actor="test").values())


def test_what_a_shared_address_says_of_somebody_else_stays(moved: User, person: Callable[..., User]) -> None:
    notify(person(email=FORMER), "order-shipped", ORDER)
    theirs = receipt("theirs", FORMER, Delivery.objects.exclude(recipient=f"u:{KEY}").get())
    told: Any = export(f"u:{KEY}")
    assert theirs.delivery_id not in [row["delivery"] for row in told["receipts"]]
    erase(f"u:{KEY}", actor="test")
    assert Receipt.objects.filter(pk=theirs.pk).exists()


def test_what_counts_the_codes_to_an_address_is_theirs(
    sandbox: SandboxProcess, person: Callable[..., User], settings: Any
) -> None:
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "ABUSE": {"codes_per_recipient": "9/day"}}
    user, other = person(phone="+4915112999777"), person(phone="+4915112999777")
    mine, _ = [notify(who, "login-code", {"code": "1"}, channels=["sms"]).pk for who in (user, other)]
    work()
    (window,) = ThrottleWindow.objects.all()
    assert len(window.admitted) == 2
    told: Any = export(f"u:{user.pk}")
    assert [row["admitted"] for row in told["throttle_windows"]] == [[mine]]
    done = foresee_erasure(f"u:{user.pk}")
    assert done == erase(f"u:{user.pk}", actor="test")
    assert done["throttles"] == 1
    assert not ThrottleWindow.objects.exists()


# --- what was refused stays refused


def test_who_said_no_and_is_still_the_hosts_user_is_not_written_to_again(
    sandbox: SandboxProcess, person: Callable[..., User]
) -> None:
    user = person("token-said-no", email="said-no@example.com")
    who, device = f"u:{user.pk}", str(Device.objects.get().pk)
    wishes = {
        "locale": "de",
        "time_zone": "Asia/Kolkata",
        "quiet_hours": [{"start": "22:00", "end": "07:00"}],
        "channels": {"sms": False, "push": True},
        "categories": {"orders": {"email": False, "sms": True}, "news": {"push": True}},
        "devices": {device: False},
    }
    change_preferences(who, wishes)
    assert foresee_erasure(who)["preferences"] == erase(who, actor="test")["preferences"] == 1
    kept = Preference.objects.values().get()
    del kept["updated_at"]
    assert kept == {
        "recipient": who,
        "locale": "",
        "time_zone": "",
        "quiet_hours": [],
        "channels": {"sms": False},
        "categories": {"orders": {"email": False}},
        "devices": {},
    }
    assert erase(who, actor="test")["preferences"] == foresee_erasure(who)["preferences"] == 0
    notify(user, "order-shipped", ORDER)
    assert [(row.state, row.reason) for row in Delivery.objects.all()] == [("skipped", "preference")]
    user.delete()
    assert erase(who, actor="test")["preferences"] == 1
    assert not Preference.objects.exists()


def test_a_broadcast_whose_whole_list_was_erased_goes_to_nobody(person: Callable[..., User]) -> None:
    user, excluded = person("token-listed"), person("token-excluded")
    only = broadcast("new-post", {"users": [str(user.pk)]}, {"title": "Bells"})
    others = broadcast("new-post", {"all": True}, {"title": "Bells"}, exclude={"users": [excluded.pk]})
    for who in (user, excluded):
        erase(f"u:{who.pk}", actor="test")
    for made in (only, others):
        plan_page(made.pk)
    found = {row.pk: row for row in Broadcast.objects.all()}
    assert (found[only.pk].status, found[only.pk].members, found[only.pk].problems) == ("sending", 0, 0)
    assert (found[others.pk].status, found[others.pk].problems) == ("sending", 0)
