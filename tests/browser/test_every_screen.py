"""Every screen in a bad hour: axe finds nothing, in both themes, both directions; nothing sticks out of a phone.

`SCREENSHOTS=1` keeps pictures of all of them, at both widths and in both themes, under build/screenshots/ (it takes
twice as long); `SCREENS="overview person"` looks at these only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from project.demo.stack import Stack

from .deployment import KEPT, logged_in, shell

pytestmark = [pytest.mark.browser, pytest.mark.long]

THEMES = ("light", "dark")
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
FIND = """
from notifications.models import *
print(
    Broadcast.objects.exclude(status="draft").first().pk, Broadcast.objects.filter(status="draft").first().pk,
    Template.objects.get(slug="order-shipped").pk, Delivery.objects.filter(state="dead").latest("pk").pk,
    ApiKey.objects.first().pk, Topic.objects.first().pk, Category.objects.first().pk, Device.objects.first().pk,
)
"""
#: What a theme of another project, or Django itself, is to blame for is none of ours; so far nothing is.
NOT_OURS: set[str] = set()


def screens(stack: Stack) -> dict[str, str]:
    """Return the address of each screen by its name."""
    running, draft, template, dead, key, topic, category, device = shell(stack, FIND).split()
    console = {
        "index": "", "overview": "overview/", "overview-hour": "overview/?window=60",
        "find": "person/", "person": "person/?q=u0%40example.com", "nobody": "person/?q=nobody%40example.com",
        "dead-letters": "deadletter/", "dead-letters-filtered": "deadletter/?channel=email&why=render_error",
        "broadcasts": "broadcast/", "broadcast": f"broadcast/{running}/change/",
        "broadcast-new": "broadcast/add/?template=new-post", "broadcast-launch": f"broadcast/{draft}/do/launch/",
        "providers": "providercard/", "provider-hold": "providercard/vonage/hold/",
        "queues": "queue/", "queue-pause": "queue/sms/pause/", "clear": "queue/clear/?channel=email",
        "devices": "device/", "device": f"device/{device}/change/", "devices-undo": "device/undo/",
        "devices-import": "device/import/", "suppressions": "suppression/", "suppress": "suppression/add/",
        "templates": "template/", "words": f"template/{template}/words/", "versions": "templateversion/",
        "category": f"category/{category}/change/", "topics": "topic/", "topic-import": f"topic/{topic}/import/",
        "preferences": "preference/", "notifications": "notification/", "deliveries": "delivery/",
        "delivery": f"delivery/{dead}/change/", "receipts": "receipt/", "alerts": "alert/", "holds": "providerhold/",
        "audit": "auditentry/", "audit-export": "auditentry/export/", "keys": "apikey/",
        "key-rotate": f"apikey/{key}/rotate/", "refused": "refusedrequest/", "claims": "claim/", "leases": "lease/",
    }  # fmt: skip
    return {name: f"{stack.url}/admin/carillon/{path}" for name, path in console.items()} | {
        "inbox": f"{stack.sandbox.base_url}/sandbox/?to=u5%40example.com"
    }


def violations(page: Page) -> Iterator[str]:
    """Yield what axe finds on a page, by rule, with where."""
    found: dict[str, Any] = Axe().run(page).response
    for rule in found["violations"]:
        if rule["id"] not in NOT_OURS:
            nodes = [f"{node['target']} {node['html'][:120]}" for node in rule["nodes"][:4]]
            yield f"{rule['id']} ({rule['impact']}), {len(rule['nodes'])} times: {' | '.join(nodes)}"


@pytest.mark.parametrize("locale", ["en-GB", "ar"])
def test_no_screen_has_a_violation_or_is_wider_than_a_phone(outage: Stack, chromium: Browser, locale: str) -> None:
    wanted, kept = os.environ.get("SCREENS", "").split(), bool(os.environ.get("SCREENSHOTS"))
    page = logged_in(chromium, outage, "grace", locale=locale)
    problems = []
    KEPT.mkdir(parents=True, exist_ok=True)
    for name, url in screens(outage).items():
        if wanted and name not in wanted:
            continue
        answer = page.goto(url)
        if answer is None or answer.status != 200:
            problems.append(f"{name} {locale}: {answer and answer.status}")
            continue
        if locale == "ar" and "/admin/" in url:
            assert page.evaluate("document.documentElement.dir") == "rtl"
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                if kept:
                    page.screenshot(path=KEPT / f"outage-{name}-{locale[:2]}-{size}-{theme}.png", full_page=True)
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if over > 0:
                    problems.append(f"{name} {locale} is {over} px wider than a {size}")
            problems += [f"{name} {locale} {theme}: {text}" for text in violations(page)]
        print(f"{name}: {len(problems)} problems so far")
    assert not problems, "\n".join(problems)
