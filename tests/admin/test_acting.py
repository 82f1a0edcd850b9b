"""Acting by hand: a dry run first, a reason always, an audit line each, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from notifications.cipher import address_hash
from notifications.enums import DeactivatedReason, Source, SuppressionCause
from notifications.exceptions import RateLimited
from notifications.flows import gate
from notifications.flows.alerts import raise_alert
from notifications.flows.devices import Registration, register
from notifications.flows.gate import held_until
from notifications.flows.keys import create_key
from notifications.flows.suppress import suppress
from notifications.flows.turns import heed
from notifications.models import Alert, AuditEntry, Category, Device, ProviderHold, Suppression, Template
from notifications.wakeups import connection


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


def act(browser: Client, page: str, action: str, *keys: object, reason: str = "because") -> Any:
    """Press an action, look at its dry run, confirm it."""
    chosen = {"action": action, "_selected_action": [str(key) for key in keys]}
    asked = browser.post(url(f"{page}_changelist"), chosen)
    assert asked.status_code == 200
    confirmed = browser.post(url(f"{page}_changelist"), {**chosen, "confirm": "yes", "reason": reason})
    assert confirmed.status_code == (302 if reason else 200)
    return asked.context["dry_run"]


@pytest.fixture
def device(ada: Any) -> Device:
    return register(ada.pk, Registration(platform="android", address="token-" + "x" * 40))[0]


def test_prune_and_undo(browser: Client, device: Device) -> None:
    assert act(browser, "device", "prune", device.pk, reason="").will == 1
    assert Device.objects.get().is_active
    act(browser, "device", "prune", device.pk)
    device.refresh_from_db()
    assert (device.is_active, device.deactivated_reason) == (False, DeactivatedReason.PRUNED)
    assert act(browser, "device", "prune", device.pk).will == 0
    assert act(browser, "device", "restore", device.pk).will == 1
    assert Device.objects.get().is_active
    assert [(row.action, row.done) for row in AuditEntry.objects.order_by("pk")] == [
        ("prune_devices", 1), ("prune_devices", 0), ("restore_devices", 1),
    ]  # fmt: skip


def test_undo_leaves_a_token_to_its_new_owner(browser: Client, device: Device, root: Any) -> None:
    act(browser, "device", "prune", device.pk)
    register(root.pk, Registration(platform="android", address=device.address))
    assert act(browser, "device", "restore", device.pk).will == 0
    assert Device.objects.get(is_active=True).user == root


def test_pruning_needs_its_permission(staff: Callable[..., Client], device: Device) -> None:
    chosen = {"action": "prune", "_selected_action": [str(device.pk)], "confirm": "yes", "reason": "x"}
    staff("view_device").post(url("device_changelist"), chosen)
    assert Device.objects.get().is_active
    staff("view_device", "prune").post(url("device_changelist"), chosen)
    assert not Device.objects.get().is_active


def test_suppress_by_hand_keeps_a_hash_and_lifting_needs_a_reason(browser: Client) -> None:
    form = {"channel": "email", "address": " Bob@EXAMPLE.com", "reason": "asked by phone"}
    assert browser.post(url("suppression_add"), {**form, "address": "bob"}).context["adminform"].errors
    assert browser.post(url("suppression_add"), form).status_code == 302
    row = Suppression.objects.get()
    assert row.address_hash == address_hash("email", "bob@example.com")
    assert "bob" not in row.hint.lower()
    assert row.cause == SuppressionCause.MANUAL
    assert "already" in browser.post(url("suppression_add"), form).content.decode()
    found = browser.get(url("suppression_changelist"), {"q": "Bob@example.com"}).context["cl"].result_list
    assert [item.pk for item in found] == [row.pk]
    act(browser, "suppression", "lift", row.pk, reason="")
    assert Suppression.objects.filter(lifted_at=None).exists()
    act(browser, "suppression", "lift", row.pk, reason="a mistake")
    row.refresh_from_db()
    assert row.lifted_at
    assert row.lifted_reason == "a mistake"
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["suppress", "lift_suppression"]


def test_suppress_by_hand_for_some_days(browser: Client) -> None:
    form = {"channel": "email", "address": "bob@example.com", "reason": "on holiday"}
    assert browser.post(url("suppression_add"), {**form, "days": "0"}).context["adminform"].errors
    assert browser.post(url("suppression_add"), {**form, "days": "7"}).status_code == 302
    row = Suppression.objects.get()
    assert row.expires_at is not None
    assert timedelta(days=6) < row.expires_at - timezone.now() < timedelta(days=8)
    assert row.source == "root"
    Suppression.objects.update(expires_at=timezone.now())
    assert browser.post(url("suppression_add"), form).status_code == 302, "one that ran out is no obstacle"
    assert AuditEntry.objects.filter(action="suppress", reason="on holiday").count() == 2


def test_suppress_by_hand_on_top_of_a_stop(browser: Client) -> None:
    suppress("sms", "+4915112000777", SuppressionCause.STOP, "twilio")
    form = {"channel": "sms", "address": "+49 151 12000777", "reason": "a lawyer wrote"}
    page = browser.post(url("suppression_add"), {**form, "days": "7"}).content.decode()
    assert "longer" in page, "a week by hand would say less than the STOP, or make it a matter of ours for ever"
    assert browser.post(url("suppression_add"), form).status_code == 302
    old, new = Suppression.objects.order_by("pk")
    assert (old.cause, old.lifted_reason) == (SuppressionCause.STOP, "a later one took its place")
    assert (new.cause, new.source, new.lifted_at) == (SuppressionCause.MANUAL, "root", None)
    assert AuditEntry.objects.get(action="suppress").reason == "a lawyer wrote"
    assert "already" in browser.post(url("suppression_add"), form).content.decode()


def test_suppressing_is_refused_without_the_permission(staff: Callable[..., Client]) -> None:
    suppress("email", "bob@example.com", SuppressionCause.COMPLAINT, "email")
    browser = staff("view_suppression")
    assert browser.post(url("suppression_add"), {"channel": "email", "address": "b@c.de"}).status_code == 403
    chosen = {
        "action": "lift",
        "_selected_action": [str(Suppression.objects.get().pk)],
        "confirm": "yes",
        "reason": "x",
    }
    browser.post(url("suppression_changelist"), chosen)
    assert Suppression.objects.get().lifted_at is None


def test_hold_prolong_and_release_a_provider(browser: Client) -> None:
    form = {"alias": "twilio", "minutes": "30", "reason": "their status page is red"}
    assert browser.post(url("providerhold_add"), {**form, "alias": "nobody"}).status_code == 200
    assert browser.post(url("providerhold_add"), {**form, "minutes": "0"}).status_code == 200
    assert not ProviderHold.objects.exists()
    assert browser.post(url("providerhold_add"), form).status_code == 302
    first = ProviderHold.objects.get()
    assert first.held_by == "root"
    assert held_until("twilio") == first.until
    assert browser.post(url("providerhold_add"), {**form, "minutes": "60"}).status_code == 302
    assert ProviderHold.objects.get().until > first.until
    act(browser, "providerhold", "release", first.pk)
    assert held_until("twilio") is None
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "hold_provider", "hold_provider", "release_provider",
    ]  # fmt: skip


def test_a_pause_ends_where_its_alert_is_read(browser: Client, root: Any) -> None:
    connection("sms").flushdb()
    gate.pace.cache_clear()
    heed("twilio", RateLimited("twilio", "429", "slow down", retry_after=86_400))
    assert gate.pace("twilio").paused_here()
    raise_alert("provider_misconfigured", "fcm ios", "Apple's key has expired")
    gate.hold_itself("fcm", "Apple's key has expired", timedelta(hours=1), platform="ios")
    raise_alert("hash_key_lost", "ENCRYPTION_KEYS", "put it back")
    paused = Alert.objects.get(kind="provider_paused")
    assert "Release the provider" in paused.detail
    keys = list(Alert.objects.values_list("pk", flat=True))
    looked = act(browser, "alert", "release", *keys)
    assert looked.will == 2
    assert ("alerts are about no provider", 1) in looked.lines
    assert not gate.pace("twilio").paused_here()
    assert held_until("fcm", "ios") is None
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "subject")) == [
        ("release_provider", "fcm ios"), ("release_provider", "twilio"),
    ]  # fmt: skip
    gate.pace.cache_clear()


def test_revoke_a_key_and_acknowledge_an_alert(browser: Client, root: Any) -> None:
    key, _plain = create_key("shop", ["send"])
    assert act(browser, "apikey", "revoke", key.pk).will == 1
    key.refresh_from_db()
    assert key.revoked_at
    assert act(browser, "apikey", "revoke", key.pk).will == 0
    assert browser.get(url("apikey_add")).status_code == 403
    raise_alert("kind", "subject", "detail")
    act(browser, "alert", "acknowledge", Alert.objects.get().pk)
    assert Alert.objects.get().acknowledged_by == root


def test_what_code_declares_is_not_changed_here(browser: Client) -> None:
    declared = Category.objects.get(slug="login")
    assert browser.post(url("category_change", declared.pk), {"slug": "x"}).status_code == 403
    form = {
        "slug": "tips",
        "priority": "normal",
        "channels": ["email"],
        "fallback": ["sms"],
        "patience": "300",
        "uncertain": "resend",
    }
    assert browser.post(url("category_add"), {**form, "fallback": ["email"]}).status_code == 200
    assert browser.post(url("category_add"), form).status_code == 302
    made = Category.objects.get(slug="tips")
    assert (made.source, made.channels, made.fallback) == (Source.CONSOLE, ["email"], ["sms"])
    assert AuditEntry.objects.get().action == "add"
    assert browser.post(url("category_change", made.pk), {**form, "priority": "bulk"}).status_code == 302
    assert browser.post(url("category_delete", made.pk), {"post": "yes"}).status_code == 403


def test_a_template_made_here_needs_a_sound_contract(browser: Client) -> None:
    category = Category.objects.get(slug="news")
    form = {
        "slug": "tip",
        "category": category.pk,
        "variables": '{"text": "str"}',
        "sensitive": "[]",
        "sample": '{"text": "Hi"}',
    }
    for wrong in (
        {"variables": '{"text": "string"}'},
        {"sensitive": '["text"]'},
        {"sensitive": '["x"]'},
        {"sample": "{}"},
    ):
        assert browser.post(url("template_add"), {**form, **wrong}).status_code == 200, wrong
    assert browser.post(url("template_add"), form).status_code == 302
    assert Template.objects.get(slug="tip").source == Source.CONSOLE


def test_prunings_are_undone_in_bulk_after_a_dry_run(browser: Client, device: Device, staff: Any) -> None:
    Device.objects.update(
        is_active=False, deactivated_reason="unregistered", deactivated_by="fcm", deactivated_at=Now()
    )
    page = url("device_undo")
    assert staff("view_device").get(page).status_code == 403
    assert b"Undo prunings" in browser.get(url("device_changelist")).content
    assert browser.get(page).status_code == 200
    assert b"This field is required" in browser.get(page, {"reason": "unregistered"}).content
    asked = {"reason": "unregistered", "provider": "fcm", "since": "2020-01-01 14:00"}
    assert browser.get(page, {**asked, "since": "2120-01-01 14:00"}).context["dry_run"].will == 0
    assert browser.get(page, {**asked, "provider": "twilio"}).context["dry_run"].will == 0
    assert browser.get(page, asked).context["dry_run"].will == 1
    whole = f"{page}?{urlencode(asked)}"
    assert browser.post(whole, {"confirm": "yes", "reason": ""}).status_code == 200
    assert not Device.objects.get().is_active
    assert browser.post(whole, {"confirm": "yes", "reason": "a wrong key"}).status_code == 302
    assert Device.objects.get().is_active
    assert AuditEntry.objects.get().action == "undo_pruning"


def test_a_platform_is_held_alone(browser: Client) -> None:
    form = {"alias": "fcm", "platform": "ios", "minutes": "30", "reason": "Apple's key has expired"}
    assert browser.post(url("providerhold_add"), form).status_code == 302
    assert browser.post(url("providerhold_add"), form).status_code == 302
    held = ProviderHold.objects.get()
    assert (held_until("fcm"), held_until("fcm", "ios")) == (None, held.until)
    assert browser.get(url("providerhold_change", held.pk)).status_code == 200
    act(browser, "providerhold", "release", held.pk)
    assert held_until("fcm", "ios") is None
