"""An editor and an operator at work, in a real browser: words are published and rolled back, a pruning is undone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from project.demo.stack import Stack

from .deployment import add_followers, add_staff, keep, logged_in, shell

pytestmark = [pytest.mark.browser, pytest.mark.long]

PRUNE = """
from django.db.models.functions import Now
from notifications.models import Device
Device.objects.filter(pk__in=list(Device.objects.values_list("pk", flat=True)[:30])).update(
    is_active=False, deactivated_reason="unregistered", deactivated_by="fcm", deactivated_at=Now())
"""


def look(page: Page, link: str, where: str, text: str) -> None:
    """Follow a link, and see what it is about."""
    page.click(link)
    expect(page.locator(where)).to_contain_text(text)


def act(page: Page, button: str, reason: str, told: str, *, presses: int = 1) -> None:
    """Say why, press, and read that it was done."""
    page.fill("[name='reason']", reason)
    page.click(button, click_count=presses)
    expect(page.locator(".success").first).to_contain_text(told)


def test_an_editor_sees_what_is_written_publishes_it_and_rolls_back(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    add_staff(stack, "eve", "view_template", "publish")
    page = logged_in(chromium, stack, "eve", viewport={"width": 1440, "height": 900})
    page.goto(f"{stack.url}/admin/carillon/template/?q=login-code")
    page.click("a:text-is('Words')")
    entries = page.evaluate("history.length")
    page.fill("[name='sms|en|text']", "Ваш код {{ code }}")
    shown = page.frame_locator("iframe.carillon-preview:not([hidden])")
    expect(shown.locator(".bubble")).to_have_text("Ваш код 493021")
    expect(shown.locator("body")).to_contain_text("UCS-2")
    page.fill("[name='sms|en|text']", "Your code is {{ cod }}")
    expect(shown.locator(".problem")).to_contain_text("cod")
    assert page.evaluate("history.length") == entries, "a preview is no step back"
    page.fill("[name='reason']", "shorter")
    page.click("button[value='publish']")
    expect(page.locator(".errornote")).to_contain_text("Not published")
    page.fill("[name='sms|en|text']", "{{ code }} is your code")
    act(page, "button[value='publish']", "shorter", "v2 is in use")
    keep(page, "console-words")

    look(page, "a:text-is('v1')", ".carillon-diff", "is your code")
    act(page, "button[value='roll_back']", "the longer one was better", "v3 is in use")
    models = "from notifications.models import AuditEntry, Template"
    assert shell(stack, f"{models}; print(Template.objects.get(slug='login-code').current.number)") == "3"
    audit = shell(stack, f"{models}; print(*AuditEntry.objects.order_by('pk').values_list('action', flat=True))")
    assert audit == "publish publish roll_back"


def test_an_operator_undoes_a_pruning_on_a_phone(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    add_staff(stack, "otto", "view_device", "prune")
    add_followers(stack, 40)
    shell(stack, PRUNE)
    page = logged_in(chromium, stack, "otto", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto(f"{stack.url}/admin/carillon/device/")
    expect(page.locator(".carillon-board")).to_contain_text("The provider says the token is dead")
    keep(page, "console-devices-phone-dark")
    look(page, "a:has-text('Undo…')", ".carillon-counts", "30")
    act(page, "input[value='Bring back (30)']", "it was a wrong key", "back", presses=2)
    counts = "Device.objects.filter(is_active=True).count(), AuditEntry.objects.count()"
    assert shell(stack, f"from notifications.models import AuditEntry, Device; print({counts})") == "40 1"
