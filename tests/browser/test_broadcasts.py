"""A broadcaster at work, in a real browser, with a real server, worker and sandbox."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import Browser

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted

from .deployment import add_followers, add_staff, keep, logged_in, shell

pytestmark = [pytest.mark.browser, pytest.mark.long]

PEOPLE = 160
MODELS = "from notifications.models import AuditEntry, Broadcast"
BROADCASTER = ("view_broadcast", "add_broadcast", "change_broadcast", "view_template", "publish")


def titles(stack: Stack) -> Counter[str]:
    """Return how many messages went out by title, each counted once however often it came."""
    seen = {(row.to, row.delivery): row.content["title"] for row in accepted(stack, "fcm")}
    return Counter(seen.values())


def test_one_with_a_wrong_template_is_stopped_half_way_mended_and_finished(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    add_staff(stack, "bea", *BROADCASTER)
    add_followers(stack, PEOPLE)
    stack.start_worker()
    page = logged_in(chromium, stack, "bea", viewport={"width": 1440, "height": 900})
    page.goto(f"{stack.url}/admin/carillon/broadcast/add/?template=new-post")
    page.fill("[name='audience-followers|author_id']", "7")
    page.fill("[name='var|title']", "Casting a bell")
    page.fill("[name='rate']", "5")  # slow enough to be stopped half-way, however slow the machine is
    page.fill("[name='ramp_up']", "")
    page.click("text=Estimate and preview")
    page.wait_for_selector(f"strong:text-is('{PEOPLE}')")
    assert "Casting a bell" in page.frame_locator("iframe").locator("body").inner_text()
    page.click("text=Keep as a draft")
    page.click("a:has-text('Launch…')")
    page.fill("[name='name']", "new-post")
    page.fill("[name='typed']", str(PEOPLE))
    page.click("input[value='Launch']")
    page.wait_for_selector("a:has-text('Undo the launch…')")
    # Nobody has changed their mind: the minute is over.
    shell(stack, f"{MODELS}; Broadcast.objects.update(send_at='2026-01-01T00:00Z')")
    page.wait_for_selector(f"text=/\\b[3-9]\\d of (about )?{PEOPLE} sent/")
    keep(page, "console-broadcast-sending")
    page.click("a:has-text('Pause…')")
    page.fill("[name='reason']", "the title is wrong")
    page.click("input[value='Pause']")
    page.wait_for_selector(".carillon-lead:has-text('Paused')")

    mended = logged_in(chromium, stack, "bea")
    mended.goto(f"{stack.url}/admin/carillon/template/?q=new-post")
    mended.click("a:text-is('Words')")
    mended.fill("[name='push|en|title']", "Mended: {{ title }}")
    mended.fill("[name='reason']", "it said New")
    mended.click("button[value='publish']")
    mended.wait_for_selector(".success")

    page.wait_for_selector("text=Version 2 of the words was published since")
    page.click("a:has-text('Resume…')")
    page.select_option("[name='version']", "2")
    page.fill("[name='reason']", "mended")
    page.dblclick("input[value='Resume']")
    page.wait_for_selector(".carillon-lead:has-text('It is over')")
    keep(page, "console-broadcast-over")
    found = wait_for(lambda: titles(stack) if titles(stack).total() >= PEOPLE else None, "everybody's message")
    assert found.total() == PEOPLE
    assert set(found) == {"New: Casting a bell", "Mended: Casting a bell"}
    assert found["New: Casting a bell"] >= 30
    assert Counter(row.to for row in accepted(stack, "fcm")).most_common(1)[0][1] == 1
    audit = shell(stack, f"{MODELS}; print(*AuditEntry.objects.order_by('pk').values_list('action', flat=True))")
    assert audit.split() == [
        "draft_broadcast", "launch_broadcast", "pause_broadcast", "publish", "resume_broadcast",
    ]  # fmt: skip


def test_the_page_says_when_it_has_lost_contact_and_works_without_a_script(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    add_staff(stack, "bea", *BROADCASTER)
    add_followers(stack, 2)
    made = shell(
        stack,
        "from datetime import UTC, datetime\n"
        "from notifications import broadcast\n"
        "far = datetime(2126, 1, 1, tzinfo=UTC)\n"
        "print(broadcast('new-post', {'all': True}, {'title': 'x'}, send_at=far).pk)",
    )
    url = f"{stack.url}/admin/carillon/broadcast/{made}/change/"
    page = logged_in(chromium, stack, "bea")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.wait_for_event("requestfinished", lambda request: request.url.endswith("/live/"))
    page.context.set_offline(True)
    page.wait_for_selector("[data-live-lost]:not([hidden])")
    page.context.set_offline(False)
    page.wait_for_selector("[data-live-lost]", state="hidden")

    plain = logged_in(chromium, stack, "bea", java_script_enabled=False, viewport={"width": 390, "height": 800})
    plain.goto(url)
    plain.click("a:has-text('Undo the launch…')")
    plain.click("input[value='Undo the launch']")
    assert "A draft" in plain.inner_text(".carillon-lead")
    plain.goto(f"{stack.url}/admin/carillon/broadcast/add/?template=new-post")
    plain.check("[value='all'][name='audience-kind']")
    plain.fill("[name='var|title']", "Plain")
    plain.click("text=Keep as a draft")
    assert "Kept as a draft" in plain.inner_text("body")
