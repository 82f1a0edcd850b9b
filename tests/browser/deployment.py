"""What tests of the console in a browser need: a whole deployment with people in it, and somebody who has logged in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from project.demo.stack import Stack

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
PASSWORD = "bells-and-ropes"
PATIENCE_MS = 90_000
KEPT = Path(__file__).parents[2] / "build" / "screenshots"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of the system's; playwright's own are not downloaded."""
    if not CHROMIUM:
        pytest.fail("no chromium found: install one (Debian: apt install chromium) or name it in CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def shell(stack: Stack, code: str) -> str:
    """Run Python inside the deployment and return what it printed."""
    return stack.manage("shell", "-v", "0", "-c", code).strip()


def add_staff(stack: Stack, name: str, *permissions: str) -> None:
    """Add a member of staff with just these permissions."""
    shell(
        stack,
        "from django.contrib.auth.models import Permission, User\n"
        f"user = User.objects.create_user({name!r}, {name + '@example.com'!r}, {PASSWORD!r}, is_staff=True)\n"
        f"names = {list(permissions)!r}\n"
        "found = Permission.objects.filter(content_type__app_label='carillon', codename__in=names)\n"
        "assert found.count() == len(names)\n"
        "user.user_permissions.set(found)",
    )


def add_followers(stack: Stack, count: int) -> None:
    """Add users with an Android device each, who follow author 7."""
    shell(
        stack,
        "from django.contrib.auth.models import User\n"
        "from notifications.flows.devices import Registration, register\n"
        "from project.shop.models import Follow, Profile\n"
        f"for n in range({count}):\n"
        "    user = User.objects.create(username=f'reader{n}', email=f'reader{n}@example.com')\n"
        "    Profile.objects.create(user=user)\n"
        "    Follow.objects.create(user=user, author_id=7)\n"
        "    register(user.pk, Registration(platform='android', address=f'token-of-reader-{n:06}'))",
    )


def logged_in(browser: Browser, stack: Stack, name: str, **options: Any) -> Page:
    """Return a page on which somebody has logged in."""
    page: Page = browser.new_context(**{"locale": "en-GB", **options}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{stack.url}/admin/login/?next=/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def keep(page: Page, name: str) -> None:
    """Keep a picture of the whole page under build/screenshots/."""
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(KEPT / f"{name}.png"), full_page=True)
