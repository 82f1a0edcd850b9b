"""The main task of each screen, once with nothing but a keyboard and once without JavaScript."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from project.demo.stack import Stack
from tests.live import wait_for

from .deployment import logged_in, shell

pytestmark = [pytest.mark.browser, pytest.mark.long]

MOST_TABS = 250
FOCUSED = "node => node === document.activeElement"
MODELS = "from notifications.models import *"


@dataclass
class Hand:
    """Somebody at work: by Tab, Enter and typing alone, or with a mouse in a browser without JavaScript."""

    page: Page
    keyboard: bool

    def to(self, what: Locator) -> None:
        """Move the focus to an element, as Tab does."""
        what.wait_for()
        for _ in range(MOST_TABS):
            if what.evaluate(FOCUSED):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} cannot be reached by Tab")

    def press(self, what: Locator) -> None:
        """Follow a link or press a button."""
        if not self.keyboard:
            what.click()
            return
        self.to(what)
        self.page.keyboard.press("Enter")

    def write(self, name: str, text: str) -> None:
        """Write into a field."""
        field = self.page.locator(f"#content [name='{name}']").first
        if not self.keyboard:
            field.fill(text)
            return
        self.to(field)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def button(self, name: str) -> None:
        """Press the button of the page with this name."""
        self.press(self.page.locator("#content").get_by_role("button", name=name, exact=True).first)

    def link(self, name: str) -> None:
        """Follow the first link of the page with this name."""
        self.press(self.page.locator("#content").get_by_role("link", name=name, exact=True).first)


def open_page(hand: Hand, stack: Stack, path: str) -> None:
    """Open a page of the console by its address."""
    hand.page.goto(f"{stack.url}/admin/carillon/{path}")


def told(hand: Hand, text: str) -> None:
    """Wait until the page says that it was done."""
    expect(hand.page.locator(".messagelist")).to_contain_text(text)


@pytest.mark.parametrize("way", ["keyboard", "no JavaScript"])
def test_every_main_task_is_done(outage: Stack, chromium: Browser, way: str) -> None:
    by_keyboard = way == "keyboard"
    size = {"width": 1440, "height": 900}
    hand = Hand(logged_in(chromium, outage, "grace", java_script_enabled=by_keyboard, viewport=size), by_keyboard)

    open_page(hand, outage, "person/")
    hand.write("q", "u70@example.com")
    hand.button("Find")
    hand.button("Send again…")
    hand.write("reason", "the customer lost it: T-17")
    hand.button("Send again")
    told(hand, "It is sent again")

    open_page(hand, outage, "deadletter/")
    hand.press(hand.page.locator("tr", has_text="503").get_by_role("button", name="Replay…"))
    hand.write("reason", "the provider is back: INC-4")
    hand.press(hand.page.locator("#content").get_by_role("button", name="Replay").first)
    # The press itself does what takes a moment; where a worker was first, its run is shown.
    expect(hand.page.locator(".messagelist")).to_contain_text(re.compile("37 dead letters go out again|under way"))
    if "/runs/" in hand.page.url:
        headline = hand.page.locator(".carillon-headline")
        if by_keyboard:
            expect(headline).to_contain_text("37 of 37 have had their turn")  # it goes on by itself
        else:
            wait_for(lambda: hand.page.reload() and "37 of 37" in headline.inner_text(), "the run to finish")

    open_page(hand, outage, "providercard/")
    hand.press(hand.page.locator("#vonage").get_by_role("link", name="Hold…"))
    hand.write("minutes", "5")
    hand.write("reason", "texts arrive late")
    hand.button("Hold")
    told(hand, "Held: vonage.")

    open_page(hand, outage, "queue/")
    hand.link("Resume…")
    hand.write("reason", "mended: INC-4")
    hand.button("Resume")
    told(hand, "goes on")

    open_page(hand, outage, "device/")
    hand.link("Undo…")
    hand.write("reason", "it was a wrong key")
    hand.press(hand.page.locator("#content input[type=submit][value^='Bring back']"))
    told(hand, "back")

    open_page(hand, outage, "template/?q=login-code")
    hand.link("Words")
    hand.write("sms|en|text", "{{ code }} is your code")
    hand.write("reason", "shorter")
    hand.press(hand.page.locator("button[value=publish]"))
    told(hand, "v2 is in use")
    hand.link("v1")
    hand.write("reason", "the longer one was better")
    hand.press(hand.page.locator("button[value=roll_back]"))
    told(hand, "v3 is in use")

    running = shell(outage, f"{MODELS}; print(Broadcast.objects.exclude(status='draft').first().pk)")
    open_page(hand, outage, f"broadcast/{running}/change/")
    hand.link("Cancel…")
    if hand.page.locator("#content [name=typed]").count():
        hand.write("typed", hand.page.locator("[name=counted]").input_value())
    hand.write("reason", "it was the wrong one")
    hand.button("Cancel the broadcast")
    expect(hand.page.locator(".carillon-lead")).to_contain_text("Cancelled")

    found = shell(
        outage, f"{MODELS}; print(*AuditEntry.objects.filter(actor='grace').values_list('action', flat=True))"
    )
    assert {
        "resend", "replay", "hold_provider", "resume_channel", "undo_pruning", "publish", "roll_back",
        "cancel_broadcast",
    } <= set(found.split())  # fmt: skip
