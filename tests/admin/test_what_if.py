"""What if: the person's page tells what would happen, to those who may look, without a trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import SuppressionCause
from notifications.flows.suppress import suppress
from notifications.models import Category, Delivery, Preference, Suppression, Template
from notifications.sandbox.process import SandboxProcess


def page(browser: Client, term: object, **more: str) -> Any:
    return browser.get(reverse("admin:carillon_person_changelist"), {"q": str(term), **more})


def test_the_form_is_there_and_nothing_is_asked(browser: Client, ada: Any) -> None:
    found = page(browser, ada.pk).context["what_if"]
    assert "order-shipped" in found["templates"]
    assert found["outcomes"] is None


def test_a_table_of_rules_with_links(sandbox: SandboxProcess, browser: Client, ada: Any) -> None:
    suppress("email", "ada@example.com", SuppressionCause.HARD_BOUNCE, "postmark")
    shown = page(browser, ada.pk, template="order-shipped")
    (outcome,) = shown.context["what_if"]["outcomes"]
    (decided,) = (line for line in outcome["lines"] if line["decided"])
    assert decided["rule"] == "Suppression"
    assert decided["url"] == reverse("admin:carillon_suppression_change", args=[Suppression.objects.get().pk])
    template = reverse("admin:carillon_template_change", args=[Template.objects.get(slug="order-shipped").pk])
    category = reverse("admin:carillon_category_change", args=[Category.objects.get(slug="orders").pk])
    assert {template, category} <= {line["url"] for line in outcome["lines"]}
    text = shown.content.decode()
    assert "is suppressed after a bounce" in text
    assert all(browser.get(line["url"]).status_code == 200 for line in outcome["lines"] if line["url"])
    assert not Delivery.objects.exists()


def test_at_three_in_the_morning(sandbox: SandboxProcess, browser: Client, ada: Any) -> None:
    Preference.objects.create(recipient=f"u:{ada.pk}", quiet_hours=[{"start": "22:00", "end": "07:00"}])
    night = f"{timezone.now().date() + timedelta(days=2)}T03:00"
    shown = page(browser, ada.pk, template="order-shipped", at=night).context["what_if"]
    assert "05:00:00" in shown["outcomes"][0]["due"] or "06:00:00" in shown["outcomes"][0]["due"]  # 07:00 in Berlin
    assert shown["at"] == night


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"template": "nonsense"}, "There is no template"),
        ({"template": "order-shipped", "at": "soon"}, "no date and time"),
        ({"template": "order-shipped", "at": "2001-01-01T03:00"}, "timeline"),
        ({"template": "order-shipped", "at": "0001-01-01T00:00"}, "timeline"),
        ({"template": "order-shipped", "channel": "push"}, "not one of the category"),
        ({"template": "order-shipped", "at": "9999-12-31T23:59"}, "no date and time"),
        ({"template": "login-code", "at": "9999-12-31T23:59"}, "no date and time"),
    ],
)
def test_what_cannot_be_asked_is_answered(
    sandbox: SandboxProcess, browser: Client, ada: Any, given: dict[str, str], said: str
) -> None:
    shown = page(browser, ada.pk, **given)
    assert shown.status_code == 200
    assert said in shown.context["what_if"].get("problem", "")


def test_addresses_are_masked_without_the_permission(
    sandbox: SandboxProcess, staff: Callable[..., Client], ada: Any
) -> None:
    text = page(staff("view_delivery"), ada.pk, template="order-shipped").content.decode()
    assert "ada@example.com" not in text
    assert "a…@example.com" in text
    assert 'href="/admin/carillon/category' not in text
    full = page(staff("view_delivery", "view_pii"), ada.pk, template="order-shipped").content.decode()
    assert "ada@example.com" in full
    assert page(staff("view_category"), ada.pk, template="order-shipped").status_code == 403


def test_somebody_without_an_account_is_searched_by_address(sandbox: SandboxProcess, browser: Client) -> None:
    sent = notify(Address(email="eve@example.com"), "order-shipped", {"number": "A-1", "total": 1.5, "items": []})
    assert len(page(browser, "eve@example.com", template="order-shipped").context["what_if"]["outcomes"]) == 1
    assert "Search for the address" in page(browser, sent.recipient, template="order-shipped").content.decode()


def test_the_page_stays_within_its_statements(sandbox: SandboxProcess, browser: Client, ada: Any) -> None:
    page(browser, ada.pk, template="order-shipped")
    with CaptureQueriesContext(connection) as plain:
        page(browser, ada.pk)
    assert len(plain) <= 12
    with CaptureQueriesContext(connection) as asked:
        page(browser, ada.pk, template="order-shipped")
    assert len(asked) <= 36
