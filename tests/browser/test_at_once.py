"""Double clicks, two operators at once, a page read again in mid-run, a worker killed in mid-replay: nothing twice."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import Browser, Page, expect

from project.demo.stack import Stack
from tests.live import wait_for
from tests.promises.deployment import accepted

from .deployment import add_staff, logged_in, shell

pytestmark = [pytest.mark.browser, pytest.mark.long]

LETTERS = 300
PATIENCE_SECONDS = 300
MODELS = "from notifications.models import AuditEntry, ChannelPause, Delivery, ProviderHold"
DEAD = """
from django.contrib.auth.models import User
from django.db.models.functions import Now
from notifications import notify
from notifications.models import Delivery
from tests.promises import host
host.seed({count})
for user in User.objects.filter(username__startswith="u"):
    notify(user, "order-shipped", {{"number": "A-1042", "total": 59.9, "items": ["Bell"]}}, channels=["email"])
Delivery.objects.update(
    state="dead", reason="retries_exhausted", error_code="503", error_detail="Service Unavailable", provider="email",
    attempt=6, updated_at=Now())
"""


def asked(page: Page, stack: Stack) -> Page:
    """Look at the dry run of all dead letters of the one cause, and say why."""
    page.goto(f"{stack.url}/admin/carillon/deadletter/")
    page.locator("tr", has_text="503").get_by_role("button", name="Replay…").click()
    page.get_by_label("At most so many in a second").fill("20")
    page.get_by_label("Reason").fill("the provider is back: INC-4")
    return page


def test_a_replay_that_everybody_presses_survives_its_worker(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    for name in ("olive", "otto"):
        add_staff(stack, name, "view_delivery", "replay")
    shell(stack, DEAD.format(count=LETTERS))
    first, second = (asked(logged_in(chromium, stack, name), stack) for name in ("olive", "otto"))
    for page in (first, second):
        page.get_by_role("button", name=f"Replay ({LETTERS})").dblclick()
        expect(page.locator("#content")).to_contain_text(re.compile("had their turn|not sent again|nothing waits"))
    stack.start_worker()
    wait_for(lambda: len(accepted(stack, "postmark")) >= 20, "the first of them to go out", PATIENCE_SECONDS)
    stack.kill("worker")
    newest = shell(stack, f"{MODELS}; print(AuditEntry.objects.filter(action='replay').earliest('pk').pk)")
    for page in (first, second):
        page.goto(f"{stack.url}/admin/carillon/deadletter/runs/{newest}/")
        page.reload()
        expect(page.locator(".carillon-headline")).to_contain_text("have had their turn")
    stack.start_worker("another")
    expect(first.locator(".carillon-headline")).to_contain_text("Finished")  # by itself
    left = "Delivery.objects.filter(state__in=['dead', 'pending', 'sending', 'uncertain']).count()"
    wait_for(lambda: shell(stack, f"{MODELS}; print({left})") == "0", "everything to have gone out", PATIENCE_SECONDS)
    reached = Counter(row.delivery for row in accepted(stack, "postmark"))
    assert len(reached) == LETTERS
    marked = shell(stack, f"{MODELS}; print(*Delivery.objects.filter(possible_duplicate=True).values_list('pk'))")
    assert all(times == 1 or str(key) in marked for key, times in reached.items()), "never twice in silence"
    kept = shell(stack, f"{MODELS}; print(*AuditEntry.objects.filter(action='replay').values_list('done', flat=True))")
    assert sum(map(int, kept.split())) == LETTERS, "however many pressed, each was brought back by one of them"
    generations = f"{MODELS}; print(*set(Delivery.objects.values_list('generation', flat=True)))"
    assert shell(stack, generations) == "1"


def test_what_two_operators_do_at_once_is_done_once(stack: Stack, chromium: Browser) -> None:
    stack.start_web()
    for name in ("olive", "otto"):
        add_staff(
            stack, name, "view_claim", "add_channelpause", "delete_channelpause", "view_providerhold",
            "add_providerhold", "delete_providerhold",
        )  # fmt: skip
    pages = [logged_in(chromium, stack, name) for name in ("olive", "otto")]
    for path, button in (
        ("queue/sms/pause/", "Pause"), ("queue/sms/resume/", "Resume"),
        ("providercard/twilio/hold/", "Hold"), ("providercard/twilio/release/", "Release"),
    ):  # fmt: skip
        for page in pages:
            page.goto(f"{stack.url}/admin/carillon/{path}")
            page.get_by_label("Reason").fill("both saw the same page")
        for page in pages:
            page.get_by_role("button", name=button, exact=True).dblclick()
            expect(page.locator(".messagelist")).to_be_visible()
        counts = "ChannelPause.objects.count(), ProviderHold.objects.count()"
        expected = {"Pause": "1 0", "Resume": "0 0", "Hold": "0 1", "Release": "0 0"}[button]
        assert shell(stack, f"{MODELS}; print({counts})") == expected
    found = shell(stack, f"{MODELS}; print(*AuditEntry.objects.values_list('action', flat=True))").split()
    assert found.count("resume_channel") == found.count("release_provider") == 1, "what had ended did not end again"
