"""Operators in a real browser, on a whole deployment: a provider held and its traffic failing over, a set cleared.

The screenshots are kept under build/screenshots/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from project import embedded
from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted

from .deployment import KEPT

pytestmark = [pytest.mark.browser, pytest.mark.long]

PATIENCE = 60_000
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
PEOPLE = """
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from tests.promises import host
call_command("loaddata", "carillon_roles", verbosity=0)
host.seed(40)
olive = User.objects.create_user("olive", "olive@example.com", "secret", is_staff=True)
olive.groups.add(*Group.objects.filter(name__in=["Carillon Operator", "Carillon Auditor"]))
User.objects.create_user("plain", password="secret", is_staff=True)
"""
CODES = """
from django.contrib.auth.models import User
from notifications import notify
for user in User.objects.filter(username__startswith="u")[:{count}]:
    notify(user, "login-code", {{"code": "493021"}})
"""
ORDERS = """
from django.contrib.auth.models import User
from notifications import notify
for user in User.objects.filter(username__startswith="u")[:{count}]:
    notify(user, "order-shipped", {{"number": "A-1042", "total": 59.9, "items": ["Bell"]}})
    notify(user, "login-code", {{"code": "1"}}, channels=["email"])
"""


@pytest.fixture
def shop(tmp_path: Path, database_url: str, valkey: embedded.Services) -> Iterator[Stack]:
    """A deployment with two SMS providers, an operator and a worker."""
    providers = ("fcm", "twilio", "vonage", "postmark")
    with Stack(tmp_path / "stack", database_url, valkey.redis_url, providers=providers) as made:
        made.manage("migrate", "--verbosity", "0")
        run(made, PEOPLE)
        made.start_web()
        made.start_worker()
        yield made


def run(stack: Stack, code: str) -> None:
    """Run some lines inside the deployment."""
    stack.manage("shell", "-v", "0", "-c", code)


def logged_in(browser: Browser, stack: Stack, name: str = "olive") -> Page:
    """Return a page in which somebody is logged in."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{stack.url}/admin/login/?next=/admin/carillon/")
    page.fill("#id_username", name)
    page.fill("#id_password", "secret")
    page.click("input[type=submit]")
    return page


def keep(page: Page, name: str) -> None:
    """Keep pictures of a page in both themes and sizes; nothing may stick out of a phone's screen."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=KEPT / f"console-{name}-{size}-{theme}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px wider than a {size}"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")


def sms(stack: Stack, provider: str) -> int:
    """Return how many texts a provider took."""
    return len(accepted(stack, provider))


def test_a_provider_is_held_and_its_traffic_fails_over(shop: Stack, chromium: Browser) -> None:
    run(shop, CODES.format(count=5))
    wait_for(lambda: sms(shop, "twilio") == 5, "five codes through the first provider")
    page = logged_in(chromium, shop)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.get_by_role("link", name="Providers", exact=True).first.click()
    card = page.locator("#twilio")
    expect(card).to_contain_text("working")
    card.get_by_role("link", name="Hold…").click()
    page.get_by_label("Minutes").fill("30")
    page.get_by_label("Reason").fill("their status page is red")
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#twilio")).to_contain_text("their status page is red")
    page.wait_for_timeout(1_500)  # a worker knows of holds to within a second
    page.locator("#twilio summary").click()
    run(shop, CODES.format(count=7))
    expect(page.locator("#vonage")).to_contain_text(re.compile(r"sent\s*7"), timeout=PATIENCE)  # the page is live
    wait_for(lambda: sms(shop, "vonage") == 7, "seven codes through the second provider")
    assert sms(shop, "twilio") == 5
    expect(page.locator("#twilio details")).to_have_attribute("open", "")  # what is read anew leaves it open
    keep(page, "providers")
    page.goto(f"{shop.url}/admin/carillon/overview/")
    expect(page.locator("[data-live-part=verdict]")).to_contain_text("vonage carries SMS meanwhile")
    keep(page, "overview")
    page.goto(f"{shop.url}/admin/carillon/providercard/")
    page.locator("#twilio").get_by_role("link", name="Release…").click()
    page.get_by_label("Reason").fill("green again")
    page.get_by_role("button", name="Release").click()
    expect(page.locator("#twilio")).to_contain_text("working")
    page.goto(f"{shop.url}/admin/carillon/auditentry/")
    expect(page.locator("#result_list")).to_contain_text("green again")
    assert errors == []
    plain = logged_in(chromium, shop, "plain")
    assert plain.goto(f"{shop.url}/admin/carillon/providercard/").status == 403  # type: ignore[union-attr]


def test_what_waits_on_a_paused_channel_is_cleared_by_filter(shop: Stack, chromium: Browser) -> None:
    page = logged_in(chromium, shop)
    page.goto(f"{shop.url}/admin/carillon/queue/")
    page.locator("tr", has_text="Email").get_by_role("link", name="Pause…").click()
    page.get_by_label("Reason").fill("a wrong price went out")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-live-part=depth]")).to_contain_text("a wrong price went out")
    page.wait_for_timeout(1_500)  # a worker knows of pauses to within a second
    run(shop, ORDERS.format(count=12))
    page.reload()
    expect(page.locator("[data-live-part=reasons]")).to_contain_text("24")
    keep(page, "queues")
    # By keyboard: to the row, to its button.
    page.keyboard.press("?")
    expect(page.locator("dialog#carillon-keys")).to_be_visible()
    keep(page, "keys")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Choose by filter…").click()
    page.get_by_label("Channel").select_option("email")
    page.get_by_label("Template").fill("order-shipped")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("#found-title")).to_contain_text("12 wait and fit")
    keep(page, "clear")
    page.get_by_label("Reason").fill("a wrong price")
    page.get_by_role("button", name="Cancel them").click()
    expect(page.locator(".carillon-lead")).to_contain_text("finished")
    expect(page.locator(".carillon-counts")).to_contain_text(re.compile(r"12\s*were cancelled"))
    keep(page, "clear-run")
    assert not accepted(shop, "postmark")
    page.goto(f"{shop.url}/admin/carillon/queue/")
    page.get_by_role("link", name="Resume…").click()
    page.get_by_label("Reason").fill("mended")
    page.get_by_role("button", name="Resume").click()
    wait_for(lambda: len(accepted(shop, "postmark")) == 12, "the twelve codes, and none of the orders")
