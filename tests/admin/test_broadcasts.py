"""What the console shows of broadcasts and lets people do to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from notifications import broadcast
from notifications.flows.broadcast import plan_page
from notifications.flows.devices import Registration, register
from notifications.flows.left_out import keep_left_out
from notifications.models import AuditEntry, Broadcast, Delivery, LeftOut

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(ada: Any, own_redis: None) -> Broadcast:
    """A broadcast to everybody, of whom one has a device."""
    register(ada.pk, Registration(platform="android", address="token-of-ada-0001"))
    return broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"})


def page(made: Broadcast, name: str = "change") -> str:
    return reverse(f"admin:carillon_broadcast_{name}", args=[made.pk])


def act(browser: Client, made: Broadcast, action: str, **more: str) -> Any:
    values = {"action": action, "_selected_action": [str(made.pk)], **more}
    return browser.post(reverse("admin:carillon_broadcast_changelist"), values, follow=bool(more))


def test_a_dry_run_and_a_reason_come_first(browser: Client, made: Broadcast) -> None:
    assert act(browser, made, "pause").context["dry_run"].will == 1
    assert act(browser, made, "resume").context["dry_run"].will == 0
    made.refresh_from_db()
    assert made.status == "planning"
    assert "Done for 1 broadcast." in act(browser, made, "pause", confirm="yes", reason="wait").content.decode()
    made.refresh_from_db()
    assert made.status == "paused"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor, entry.reason) == (
        "pause_broadcast",
        str(made.pk),
        "root",
        "wait",
    )


@pytest.mark.parametrize("action", ["resume", "resume_newest"])
def test_a_stopped_one_says_why_and_is_resumed(browser: Client, made: Broadcast, action: str) -> None:
    plan_page(made.pk)
    Broadcast.objects.update(status="stopped", stopped_for="3 of 4 failed")
    assert "3 of 4 failed" in browser.get(page(made)).content.decode()
    act(browser, made, action, confirm="yes", reason="mended")
    made.refresh_from_db()
    assert (made.status, made.stopped_for) == ("sending", "")
    shown = browser.get(page(made)).content.decode()
    assert ("0 with version 1" in shown) == (action == "resume_newest")


def test_what_cannot_be_done_is_said(browser: Client, made: Broadcast) -> None:
    told = act(browser, made, "resume", confirm="yes", reason="x").content.decode()
    assert "A broadcast that is planning cannot be resumed." in told


def test_who_was_left_out_is_shown_and_planned_again(browser: Client, made: Broadcast, ada: Any) -> None:
    plan_page(made.pk)
    made.refresh_from_db()
    Delivery.objects.all().delete()
    keep_left_out(made, {ada.pk: "DataError"})
    made.save()
    assert "1 (1 × DataError)" in browser.get(page(made)).content.decode()
    listed = browser.get(reverse("admin:carillon_leftout_changelist"), {"q": str(made.pk)})
    assert [row.recipient for row in listed.context["cl"].result_list] == [f"u:{ada.pk}"]
    act(browser, made, "plan_left_out", confirm="yes", reason="mended")
    assert not LeftOut.objects.exists()
    assert Delivery.objects.count() == 1


def test_a_draft_is_previewed(browser: Client, made: Broadcast) -> None:
    assert page(made, "preview") not in browser.get(page(made)).content.decode()
    assert browser.get(page(made, "preview"), follow=True).content.decode().count("cannot be previewed") == 1
    Broadcast.objects.update(status="draft")
    assert page(made, "preview") in browser.get(page(made)).content.decode()
    shown = browser.get(page(made, "preview")).content.decode()
    assert "All 1 recipients were looked at." in shown
    assert "Nothing is missing." in shown
    assert not Delivery.objects.exists()
    assert browser.get(reverse("admin:carillon_broadcast_preview", args=[uuid4()])).status_code == 404


def test_looking_is_not_acting(staff: Callable[..., Client], made: Broadcast) -> None:
    looker = staff("view_broadcast")
    act(looker, made, "cancel", confirm="yes", reason="x")
    made.refresh_from_db()
    assert made.status == "planning"
    assert staff("view_delivery").get(page(made, "preview")).status_code == 403
    act(staff("view_broadcast", "change_broadcast"), made, "cancel", confirm="yes", reason="x")
    made.refresh_from_db()
    assert made.status == "cancelled"
