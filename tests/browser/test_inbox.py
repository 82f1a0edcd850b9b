"""The sandbox's inbox in a real browser: live, each channel as it would look, buttons and knobs; also without script.

Screenshots are kept under build/screenshots/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from notifications.sandbox.credentials import (
    POSTMARK_SERVER_TOKEN,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_FROM_NUMBER,
)
from notifications.sandbox.oauth import AccessTokens
from notifications.sandbox.process import SandboxProcess, launch
from notifications.sandbox.server import SandboxOptions

from .deployment import KEPT

pytestmark = [pytest.mark.browser, pytest.mark.long]

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
NUMBER, MAILBOX, TOKEN = "+4915112345642", "ada@example.com", "token-" + "a1b2c3" * 24
PATIENCE = 60_000
HTML = """<!doctype html><html><head><meta name="color-scheme" content="light dark"><style>
body { font: 16px/1.5 system-ui; margin: 24px; background: #fff; color: #1b1f27 }
@media (prefers-color-scheme: dark) { body { background: #16191f; color: #e8ebf1 } }
</style></head><body><h1>Your bell is on its way</h1><p>Order A-1042, 59.90 €.</p></body></html>"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A sandbox with nothing in it."""
    with launch(SandboxOptions(file=tmp_path / "sandbox.jsonl", port=0)) as started:
        yield started


def push(process: SandboxProcess, title: str, body: str) -> None:
    bearer = {"Authorization": f"Bearer {AccessTokens().issue()}"}
    note = {"token": TOKEN, "notification": {"title": title, "body": body}, "data": {"url": "https://a.example/7"}}
    url = f"{process.base_url}/fcm/v1/projects/p/messages:send"
    assert requests.post(url, json={"message": note}, headers=bearer, timeout=9).ok


def text(process: SandboxProcess, body: str) -> None:
    url = f"{process.base_url}/twilio/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages.json"
    form = {"To": NUMBER, "From": TWILIO_FROM_NUMBER, "Body": body}
    assert requests.post(url, data=form, auth=(TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN), timeout=9).ok


def mail(process: SandboxProcess, subject: str) -> None:
    token = {"X-Postmark-Server-Token": POSTMARK_SERVER_TOKEN}
    sent = {
        "From": "Bell Shop <shop@example.com>",
        "To": MAILBOX,
        "Subject": subject,
        "HtmlBody": HTML,
        "TextBody": "Hi",
    }
    assert requests.post(f"{process.base_url}/postmark/email", json=sent, headers=token, timeout=9).ok


def fill(process: SandboxProcess) -> None:
    """Let Ada have something on each channel."""
    process.client.people({"Ada Lovelace": [NUMBER, MAILBOX, TOKEN]})
    mail(process, "Your bell is on its way")
    push(process, "Ada, your bell has shipped", "Order A-1042 leaves Berlin today.")
    push(process, "Grace follows you", "Say hello.")
    text(process, "Your code is 493021. It is good for ten minutes; nobody of ours will ever ask you for it.")
    text(process, "Ihre Glocke ist da 🔔 Holen Sie sie bis Freitag ab.")


def shoot(page: Page, name: str) -> None:
    """Keep what the page looks like on a desk and on a phone, in both themes; nothing may run over the edge."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for frame in page.locator("iframe").all():
                frame.scroll_into_view_if_needed()  # a frame is filled once it is near
            page.screenshot(path=KEPT / f"{name}-{size}-{scheme}.png", full_page=True)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"{name} at {width} px is {over} px too wide"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_it_is_live_and_looks_like_phones_and_mails(chromium: Browser, process: SandboxProcess) -> None:
    page = chromium.new_page(base_url=process.base_url)
    expect.set_options(timeout=PATIENCE)
    page.goto("/sandbox/")
    expect(page.locator("main")).to_contain_text("Nothing has arrived yet")
    shoot(page, "inbox-empty")
    fill(process)  # the page is not loaded anew by hand from here on
    group = page.locator(".group", has_text="Ada Lovelace")
    expect(group).to_contain_text("5 messages")
    expect(group.locator(".lock")).to_contain_text("Grace follows you")
    expect(group.locator(".thread li").first).to_contain_text("493021")
    shoot(page, "inbox")

    frame = group.locator("iframe")
    wide = frame.bounding_box()
    group.get_by_label("Phone").check()
    narrow = frame.bounding_box()
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] < 400 < wide["width"]
    group.get_by_label("Dark").check()
    page.emulate_media(color_scheme="null")  # else the emulation decides for the frame as well
    dark = group.frame_locator("iframe").locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
    assert dark == "rgb(22, 25, 31)"
    group.get_by_label("Source").check()
    expect(group.locator(".as-source")).to_contain_text("<h1>")
    expect(frame).to_be_hidden()
    mail(process, "Another one")
    expect(group).to_contain_text("6 messages")
    expect(group.locator(".as-source:visible")).to_contain_text("<h1>")  # what was chosen stays chosen

    page.locator("#knobs summary").click()
    page.locator("form.knob[aria-label=twilio]").get_by_role("button", name="Dead").click()
    expect(page.locator("#notes")).to_contain_text("twilio is dead from now on.")
    assert process.client.faults()["twilio"]["mode"] == "outage"
    shoot(page, "inbox-fault")
    page.close()


def test_buttons_and_reloading_work_without_script(chromium: Browser, process: SandboxProcess) -> None:
    fill(process)
    context = chromium.new_context(base_url=process.base_url, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto("/sandbox/")
    page.locator(".lock details summary", has_text="Send back").first.click()
    page.get_by_role("button", name="Unregistered").first.click()
    expect(page.locator(".told")).to_contain_text("the next send to this token finds it gone")
    expect(page.locator(".lock")).to_contain_text("The app was uninstalled.")
    page.get_by_role("link", name="Reload every 3 seconds").click()
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    context.close()
