"""Devices and suppressions: how they stand, pruning with its undo, and files of them, out and in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.cipher import address_hash
from notifications.enums import SuppressionCause
from notifications.flows import recipient_files
from notifications.flows.devices import Registration, register
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Device, Suppression, census_queries

pytestmark = pytest.mark.django_db
TOKEN = "token-of-ada-{:04}"


@pytest.fixture
def devices(ada: Any) -> list[Device]:
    """Six Android devices: two in use, and one each that is unseen, quarantined, dead and too old."""
    found = [register(ada.pk, Registration(platform="android", address=TOKEN.format(n)))[0] for n in range(6)]
    long_ago = timezone.now() - timedelta(days=300)
    Device.objects.filter(pk=found[2].pk).update(last_seen_at=long_ago)
    for device, reason in zip(found[3:], ("quarantined", "unregistered", "stale"), strict=True):
        gone = {"is_active": False, "deactivated_reason": reason, "deactivated_by": "fcm"}
        Device.objects.filter(pk=device.pk).update(**gone, deactivated_at=timezone.now())
    return found


def url(name: str) -> str:
    return reverse(f"admin:carillon_{name}")


def lines_of(response: Any) -> list[list[str]]:
    return list(csv.reader(b"".join(response.streaming_content).decode().splitlines()))


def given(text: str, **values: Any) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("some.csv", text.encode()), "reason": "from the old system", **values}


@pytest.mark.parametrize("name", ["device_changelist", "suppression_changelist"])
def test_a_board_above_the_list_costs_few_statements_and_no_full_count(
    browser: Client, devices: list[Device], name: str
) -> None:
    suppress("email", "bob@example.com", SuppressionCause.COMPLAINT, "email")
    with CaptureQueriesContext(connection) as queries:
        response = browser.get(url(name))
    assert response.status_code == 200
    assert len(queries) <= 12, [query["sql"] for query in queries]


def test_devices_are_told_by_platform_and_why_they_are_off(browser: Client, devices: list[Device]) -> None:
    [row] = browser.get(url("device_changelist")).context["board"]["rows"]
    assert (row["channel"], row["platform"]) == ("Push", "Android")
    assert [cell["count"] for cell in row["cells"]] == ["3", "1", "1", "1", "1", "0"]
    quarantined = row["cells"][2]["url"]
    assert len(browser.get(quarantined).context["cl"].result_list) == 1


def test_a_large_table_is_reckoned_from_some_of_it(
    browser: Client, devices: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser.get(url("device_changelist")).context["board"]["exact"]
    monkeypatch.setattr(census_queries, "MOST_PAGES", 0.5)
    board = browser.get(url("device_changelist"))
    assert not board.context["board"]["exact"]
    assert "reckoned from some of the table" in board.content.decode() or not board.context["board"]["rows"]


def test_suppressions_are_told_by_cause(browser: Client) -> None:
    assert "No address is suppressed" in browser.get(url("suppression_changelist")).content.decode()
    suppress("email", "bob@example.com", SuppressionCause.COMPLAINT, "email")
    suppress("sms", "+4915112000777", SuppressionCause.STOP, "twilio")
    suppress("sms", "+4915112000778", SuppressionCause.STOP, "twilio", expires_at=timezone.now() - timedelta(days=1))
    rows = browser.get(url("suppression_changelist")).context["board"]["rows"]
    assert [(row["cause"], [cell["count"] for cell in row["cells"]]) for row in rows] == [
        ("Complaint", ["0", "0", "1"]), ("Opted out by STOP", ["0", "1", "0"]),
    ]  # fmt: skip
    assert len(browser.get(rows[1]["cells"][1]["url"]).context["cl"].result_list) >= 1


def test_the_newest_prunings_lead_to_their_undo(browser: Client, devices: list[Device]) -> None:
    page = browser.get(url("device_changelist"))
    prunings = page.context["board"]["prunings"]
    assert {item["count"] for item in prunings} == {"1"}
    link = next(item["url"] for item in prunings if parse_qs(urlsplit(item["url"]).query)["reason"] == ["quarantined"])
    assert browser.get(link).context["dry_run"].will == 1
    browser.post(link, {"confirm": "yes", "counted": "1", "reason": "the sender is mended"})
    assert Device.objects.get(pk=devices[3].pk).is_active
    assert not Device.objects.get(pk=devices[4].pk).is_active
    assert AuditEntry.objects.get().action == "undo_pruning"
    again = browser.post(link, {"confirm": "yes", "counted": "1", "reason": "the sender is mended"}, follow=True)
    assert "0 devices are back" in again.content.decode()


def test_unseen_devices_are_pruned_after_a_dry_run_and_come_back(
    browser: Client, devices: list[Device], staff: Callable[..., Client]
) -> None:
    page = url("device_prune")
    assert staff("view_device").get(page).status_code == 403
    assert browser.get(page).context["form"]["days"].value() == 270
    assert browser.get(page, {"days": "5"}).context["form"].errors
    asked = f"{page}?days=200"
    assert browser.get(asked).context["dry_run"].will == 1
    assert browser.post(asked, {"confirm": "yes", "reason": ""}).status_code == 200
    assert Device.objects.filter(is_active=True).count() == 3
    for _ in range(2):
        assert browser.post(asked, {"confirm": "yes", "reason": "spring cleaning"}).status_code == 302
    row = Device.objects.get(pk=devices[2].pk)
    assert (row.is_active, row.deactivated_reason) == (False, "stale")
    assert Device.objects.filter(is_active=True).count() == 2
    assert [entry.done for entry in AuditEntry.objects.all()] == [1], "a second press finds none left"
    undo = {"reason": "stale", "since": "2020-01-01 00:00"}
    assert browser.get(url("device_undo"), undo).context["dry_run"].will == 2


def test_a_large_number_has_to_be_typed(browser: Client, devices: list[Device]) -> None:
    asked = f"{url('device_prune')}?days=200"
    shown = browser.post(asked, {"confirm": "yes", "counted": "1200", "reason": "x"})
    assert "type the number" in shown.content.decode().lower()
    assert browser.post(asked, {"confirm": "yes", "counted": "1200", "typed": "12", "reason": "x"}).status_code == 200
    assert Device.objects.filter(is_active=True).count() == 3
    browser.post(asked, {"confirm": "yes", "counted": "1200", "typed": "1200", "reason": "x"})
    assert Device.objects.filter(is_active=True).count() == 2


def test_an_export_is_streamed_masked_and_audited(
    browser: Client, devices: list[Device], staff: Callable[..., Client]
) -> None:
    page = url("device_export")
    assert staff("view_delivery").post(page, {"reason": "x"}).status_code == 403
    assert browser.post(page, {"reason": ""}).status_code == 200
    assert not AuditEntry.objects.exists()
    viewer = staff("view_device")
    header, *rows = lines_of(viewer.post(page, {"reason": "a report"}))
    assert header[:6] == ["id", "user", "channel", "platform", "token_type", "address"]
    assert len(rows) == 6
    assert not [row for row in rows if "token-of-ada" in row[5]]
    assert AuditEntry.objects.get().detail == {"masked": True, "filter": {}}
    full = lines_of(browser.post(f"{page}?is_active__exact=1", {"reason": "a move"}))
    assert {row[5] for row in full[1:]} == {TOKEN.format(n) for n in range(3)}
    assert AuditEntry.objects.order_by("-pk")[0].action == "export_devices"


def test_what_looks_like_a_formula_is_none(browser: Client) -> None:
    suppress("email", "bob@example.com", SuppressionCause.MANUAL, "=cmd|' /C calc'!A0")
    _header, [*cells] = lines_of(browser.post(url("suppression_export"), {"reason": "x"}))
    assert cells[3].startswith("'=")
    assert "bob" not in "".join(cells)


def test_devices_are_imported_after_a_look_and_only_once(browser: Client, ada: Any) -> None:
    text = (
        "user,platform,address\n"
        f"{ada.pk},android,{'n' * 30}\n"
        "999999,android,somebody-elses-token\n"
        f"{ada.pk},toaster,another-token-000\n"
    )
    page = url("device_import")
    looked = browser.post(page, given(text, dry_run="on", reason=""))
    assert (looked.context["done"].new, looked.context["done"].refused) == (1, 2)
    assert [line for line, _why in looked.context["done"].why] == [3, 4]
    assert "no such user" in looked.content.decode()
    assert not Device.objects.exists()
    assert not AuditEntry.objects.exists()
    assert browser.post(page, given(text, reason="")).status_code == 200
    assert not Device.objects.exists()
    for new in (1, 0):
        done = browser.post(page, given(text)).context["done"]
        assert done.new == new
    assert Device.objects.count() == 1
    assert [(entry.action, entry.done) for entry in AuditEntry.objects.order_by("pk")] == [
        ("import_devices", 1), ("import_devices", 0),
    ]  # fmt: skip


def test_suppressions_are_imported_with_their_cause(browser: Client) -> None:
    text = (
        "channel;address;cause;days\n"
        "email;Bob@Example.com;complaint;\n"
        "sms;+49 151 12000777;stop;30\n"
        "sms;nonsense;;\n"
        "email;x@example.com;annoyed;\n"
        "email;y@example.com;;soon\n"
    )
    done = browser.post(url("suppression_import"), given(text)).context["done"]
    assert (done.lines, done.new, done.refused) == (5, 2, 3)
    rows = {row.address_hash: row for row in Suppression.objects.all()}
    bob = rows[address_hash("email", "bob@example.com")]
    assert (bob.cause, bob.source, bob.expires_at) == ("complaint", "root", None)
    assert rows[address_hash("sms", "+4915112000777")].expires_at is not None
    assert browser.post(url("suppression_import"), given(text)).context["done"].unchanged >= 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("address\nx@example.com\n", "missing: channel"),
        ("", "missing: channel, address"),
        ('channel,address\nemail,"x', "no CSV"),
        ("channel,address\n" + "email,x@example.com\n" * 51, "at most 50 lines"),
    ],
)
def test_a_file_that_cannot_be_read_changes_nothing(
    browser: Client, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    assert recipient_files.MOST_LINES == 5_000
    monkeypatch.setattr(recipient_files, "MOST_LINES", 50)
    shown = browser.post(url("suppression_import"), given(text or "\n", dry_run="on"))
    assert told in str(shown.context["form"].errors["file"])
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("name", ["device", "suppression"])
def test_importing_needs_the_permission_to_add(staff: Callable[..., Client], name: str) -> None:
    page = url(f"{name}_import")
    assert staff(f"view_{name}").post(page, given("x")).status_code == 403
    assert "Import CSV" not in staff(f"view_{name}").get(url(f"{name}_changelist")).content.decode()
    assert staff(f"view_{name}", f"add_{name}").get(page).status_code == 200
