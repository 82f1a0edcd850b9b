"""Access: roles, keys that are rotated once, receipts read again, the audit as a file; masked for who must not see."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from notifications.admin import PAGES
from notifications.flows.keys import create_key, find_key
from notifications.flows.operate import By, audit
from notifications.flows.reconcile import reconcile
from notifications.models import ApiKey, AuditEntry, Delivery, IdempotencyKey, Receipt, RefusedRequest

from .conftest import killed

SOURCES = sorted((Path(__file__).parents[2] / "notifications" / "admin").glob("*.py"))
ROLES = {"Viewer", "Support", "Operator", "Template editor", "Broadcaster", "Auditor", "Admin"}


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


@pytest.fixture(scope="module")
def permissions(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> dict[str, list[int]]:
    """What each role may, as the fixture says: loading it takes as long as all these tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("loaddata", "carillon_roles", verbosity=0)
        found = {group.name: [row.pk for row in group.permissions.all()] for group in Group.objects.all()}
        transaction.set_rollback(True)
    return found


@pytest.fixture
def role(db: None, permissions: dict[str, list[int]]) -> Callable[[str], Client]:
    """Makes a browser of a member of staff with just one role."""

    def make(name: str) -> Client:
        user = get_user_model().objects.create_user(f"role {name}", is_staff=True)
        group = Group.objects.create(name=f"Carillon {name}")
        group.permissions.set(permissions[group.name])
        user.groups.add(group)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.mark.django_db
def test_the_roles_are_loaded_by_one_command_as_often_as_one_likes() -> None:
    for _ in range(2):
        call_command("loaddata", "carillon_roles", verbosity=0)
    assert {group.name.removeprefix("Carillon ") for group in Group.objects.all()} == ROLES
    own = Permission.objects.filter(content_type__app_label="carillon")
    assert not Group.objects.exclude(permissions__in=own).exists()
    acting = own.exclude(codename__startswith="view_")
    assert not Group.objects.get(name="Carillon Viewer").permissions.filter(pk__in=acting).exists()
    assert not Group.objects.get(name="Carillon Auditor").permissions.filter(pk__in=acting).exists()
    others = Permission.objects.filter(group__name__startswith="Carillon")
    admin = Group.objects.get(name="Carillon Admin").permissions.all()
    assert set(others) == set(admin), "whatever any role may, the Admin may"
    made = {code for model in apps.get_app_config("carillon").get_models() for code, _name in model._meta.permissions}
    asked = {
        name
        for path in SOURCES
        for name in re.findall(r'"carillon\.((?:add|change|delete|view)_\w+)"', path.read_text())
    }
    assert made | asked <= set(admin.values_list("codename", flat=True)), "what the console asks for, somebody has"


@pytest.mark.parametrize(
    ("name", "opens", "not_these"),
    [
        ("Viewer", {"overview", "providercard", "queue", "delivery", "person"}, {"auditentry", "apikey"}),
        ("Support", {"overview", "person", "delivery", "suppression"}, {"queue", "auditentry", "apikey", "claim"}),
        ("Operator", {"overview", "queue", "providercard", "deadletter", "auditentry"}, {"apikey"}),
        ("Template editor", {"template", "category", "overview"}, {"delivery", "person", "device", "queue"}),
        ("Broadcaster", {"broadcast", "topic", "delivery"}, {"device", "suppression", "auditentry", "queue"}),
        ("Auditor", {"auditentry", "apikey", "receipt", "queue"}, set()),
        ("Admin", {model._meta.model_name for model in PAGES}, set()),
    ],
)
def test_a_role_opens_its_pages_and_no_others(
    role: Callable[[str], Client], name: str, opens: set[str], not_these: set[str]
) -> None:
    browser = role(name)
    found = {page: browser.get(url(f"{page}_changelist")).status_code for page in sorted(opens | not_these)}
    assert found == {page: 200 if page in opens else 403 for page in found}


@pytest.mark.parametrize("name", sorted(ROLES - {"Operator", "Admin"}))
def test_acts_of_operators_are_refused_to_other_roles(role: Callable[[str], Client], name: str) -> None:
    browser, reason = role(name), {"reason": "because", "minutes": "5"}
    key, _plain = create_key("shop", ["send"])
    for page in (
        url("providercard_hold", "email"), url("providercard_release", "email"), url("providercard_trial", "email"),
        url("queue_pause", "sms"), url("queue_resume", "sms"), url("queue_clear"), url("apikey_rotate", key.pk),
    ):  # fmt: skip
        assert browser.post(page, reason).status_code == 403, page
        assert browser.get(page).status_code == 403, page
    assert not AuditEntry.objects.exists()


def test_a_key_is_rotated_once_however_often_it_is_pressed(browser: Client) -> None:
    old, old_plain = create_key("shop", ["send", "read"], owner="the shop")
    page = url("apikey_rotate", old.pk)
    form = {"hours": "24", "reason": "yearly", "seen": browser.get(page).context["seen"]}
    assert browser.post(page, {**form, "hours": "-1"}).status_code == 200
    assert ApiKey.objects.count() == 1
    made = browser.post(page, form)
    assert "no-store" in made["Cache-Control"]
    plain = made.context["plain"]
    assert plain in made.content.decode()
    assert browser.post(page, form).status_code == 302, "the second press finds another end and makes nothing"
    assert ApiKey.objects.count() == 2
    new = find_key(plain)
    assert new is not None
    assert (new.name, new.owner, new.scopes, new.expires_at) == ("shop", "the shop", ["read", "send"], None)
    assert find_key(old_plain) is not None, "both go on for a day"
    old.refresh_from_db()
    assert old.expires_at is not None
    assert timedelta(hours=23) < old.expires_at - timezone.now() < timedelta(hours=25)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason, entry.detail["made"]) == ("rotate_key", "yearly", new.prefix)
    assert plain not in str(entry.detail) + browser.get(url("apikey_changelist")).content.decode()
    ApiKey.objects.filter(pk=old.pk).update(revoked_at=timezone.now())
    ended = {**form, "seen": browser.get(page).context["seen"]}
    assert browser.post(page, ended).status_code == 302, "one that has ended is not rotated"
    assert ApiKey.objects.count() == 2
    assert browser.get(url("apikey_rotate", old.pk + 99)).status_code == 404


def test_rotating_begins_at_the_list_with_one_key(browser: Client) -> None:
    keys = [create_key(name, ["send"])[0].pk for name in ("a", "b")]
    page = url("apikey_changelist")
    chosen = {"action": "rotate", "_selected_action": keys[:1]}
    assert browser.post(page, chosen)["Location"] == url("apikey_rotate", keys[0])
    assert browser.post(page, {**chosen, "_selected_action": keys})["Location"] == page


def test_receipts_are_read_again_with_a_reason_and_nothing_is_done_twice(
    ada: Any, browser: Client, staff: Callable[..., Client]
) -> None:
    row = killed(ada)
    Delivery.objects.filter(pk=row.pk).update(state="sent", reason="", attempt=1, provider_message_id="m-1")
    receipt = Receipt.objects.create(
        provider="email", event_key="1", kind="delivered", provider_message_id="m-1", received_at=timezone.now(),
        verdict="unknown", due_at=None,
    )  # fmt: skip
    page, chosen = url("receipt_changelist"), {"action": "reprocess", "_selected_action": [receipt.pk]}
    staff("view_receipt").post(page, {**chosen, "confirm": "yes", "reason": "x"})
    assert not AuditEntry.objects.exists()
    looked = browser.post(page, chosen)
    assert looked.context["dry_run"].will == 1
    for _ in range(2):
        browser.post(page, {**chosen, "confirm": "yes", "reason": "it came before our record"})
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "done")) == [
        ("reprocess_receipts", 1), ("reprocess_receipts", 0),
    ]  # fmt: skip
    assert reconcile() == 1
    row.refresh_from_db()
    receipt.refresh_from_db()
    assert (row.state, receipt.verdict, receipt.due_at) == ("delivered", "applied", None)


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_the_audit_is_a_file_without_formulas(
    browser: Client, staff: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.admin.access_pages._PAGE", 2)
    audit(By("root", "=HYPERLINK(1)"), "replay", subject="u:1", done=3, note="to ada@example.com")
    for number in range(4):
        audit(By("grace", f"told by ada@example.com {number}"), "hold_provider", subject="email")
    page = url("auditentry_export")
    assert staff("view_delivery").get(page).status_code == 403
    assert browser.get(page).status_code == 200
    assert browser.post(page, {"days": "30", "reason": ""}).status_code == 200
    found = rows_of(browser.post(page, {"days": "30", "reason": "yearly review"}))
    assert [row["action"] for row in found] == ["export_audit", *["hold_provider"] * 4, "replay"]
    assert found[-1]["reason"] == "'=HYPERLINK(1)"
    assert found[-1]["done"] == "3"
    assert "ada@example.com" in found[-1]["detail"]
    masked = rows_of(staff("view_auditentry").post(page, {"days": "30", "reason": "review", "actor": "grace"}))
    assert {row["actor"] for row in masked} == {"grace"}
    assert not any("ada@example.com" in str(row) for row in masked)
    assert masked[0]["created_at"].startswith("20"), "a time is nobody's number"
    assert AuditEntry.objects.filter(action="export_audit").count() == 2


def test_what_people_wrote_is_masked_on_every_list(staff: Callable[..., Client], browser: Client, ada: Any) -> None:
    audit(By("root", "told by ada@example.com"), "lift_suppression", subject="ada@example.com", to="+4915112345678")
    key = IdempotencyKey.objects.create(
        owner="python", key="welcome-ada@example.com", fingerprint="f", notification_id=killed(ada).notification_id
    )
    refused = RefusedRequest.objects.create(recipient="u:1", reason="invalid", detail="no user ada@example.com")
    entry = AuditEntry.objects.get()
    looking = staff("view_auditentry", "view_idempotencykey", "view_refusedrequest")
    for name, row in (("auditentry", entry), ("idempotencykey", key), ("refusedrequest", refused)):
        for page in (url(f"{name}_changelist"), url(f"{name}_change", row.pk)):
            text = looking.get(page).content.decode()
            assert "ada@example.com" not in text, page
            assert "12345678" not in text, page
            assert "ada@example.com" in browser.get(page).content.decode(), page
