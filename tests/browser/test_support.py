"""Support and operators at work in a real browser: why somebody got nothing, and 300 dead letters brought back.

Real server, real worker, the sandbox as the network's far end. Screenshots are kept under build/screenshots/.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import close_old_connections, connection
from django.db.models.functions import Now
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from notifications import jobs, notify
from notifications.enums import Reason, State, SuppressionCause
from notifications.flows.replay import REPLAYS
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Delivery, Preference, Suppression
from notifications.sandbox.process import SandboxProcess, with_webhook_secret
from tests.fixtures import own_redis, patient_redis, person, running_sandbox, sandbox
from tests.live import wait_for, work

from .deployment import KEPT

__all__ = ["own_redis", "patient_redis", "person", "running_sandbox", "sandbox"]

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
DATA = {"number": "A-1042", "total": 59.9, "items": ["Bell"]}
PATIENCE = 60_000
LETTERS = 300


@pytest.fixture(autouse=True, scope="module")
def beside_a_loop() -> Iterator[None]:
    """Playwright keeps an event loop in this thread, in which Django refuses to ask the database otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def worker(sandbox: SandboxProcess, live_server: Any) -> Iterator[Callable[[], None]]:
    """A worker in a thread of its own, once it is started; the sandbox's receipts come to the server."""
    stop, failed = threading.Event(), []
    sandbox.client.set_webhooks(postmark=with_webhook_secret(f"{live_server.url}/webhooks/email/"))

    def go_on() -> None:
        try:
            while not stop.wait(0.1):
                close_old_connections()
                for run in REPLAYS.unfinished():
                    jobs.act_on_dead_letters(str(run.pk))
                work()
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=go_on)
    yield thread.start
    stop.set()
    if thread.is_alive():
        thread.join()
    sandbox.client.set_webhooks(postmark=None)
    if failed:
        raise failed[0]


@pytest.fixture
def page_of(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Logs a member of staff with these permissions in and returns their page."""
    contexts = []

    def log_in(*permissions: str, scheme: str = "light", script: bool = True) -> Page:
        user = get_user_model().objects.create_user(f"staff{len(contexts)}", password="secret", is_staff=True)
        found = Permission.objects.filter(codename__in=permissions)
        assert found.count() == len(permissions)
        user.user_permissions.set(found)
        context = chromium.new_context(base_url=live_server.url, color_scheme=scheme, java_script_enabled=script)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.goto("/admin/login/")
        page.fill("#id_username", user.username)
        page.fill("#id_password", "secret")
        page.click("input[type=submit]")
        return page

    yield log_in
    for context in contexts:
        context.close()


def shoot(page: Page, name: str) -> None:
    """Keep what a page looks like on a desk and on a phone, in both themes; nothing may run over the edge."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            KEPT.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=KEPT / f"{name}-{size}-{scheme}.png", full_page=True)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"{name} at {width} px is {over} px too wide"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})


SUPPORT = (
    "view_user",
    "view_delivery",
    "view_pii",
    "resend",
    "change_suppression",
    "view_suppression",
    "view_category",
)


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_support_finds_why_somebody_got_nothing_and_mends_it(
    page_of: Callable[..., Page], person: Callable[..., Any], worker: Callable[[], None], script: bool
) -> None:
    ada = person("token-" + "x" * 50, email="ada@example.com")
    suppress("email", "ada@example.com", SuppressionCause.STOP, "email")
    Preference.objects.create(
        recipient=f"u:{ada.pk}", channels={"push": False}, categories={}, time_zone="Europe/Berlin",
        quiet_hours=[{"days": [(timezone.now().weekday() + 3) % 7], "start": "22:00", "end": "07:00"}],
    )  # fmt: skip
    notify(ada, "login-code", {"code": "493021"})
    notify(ada, "order-shipped", DATA)
    worker()
    page = page_of(*SUPPORT, script=script)

    page.goto(f"/admin/auth/user/{ada.pk}/change/")
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.locator("#carillon-headline")).to_contain_text("blocked after a bounce, a complaint or an opt-out")
    if script:
        shoot(page, "person-suppressed")
    page.get_by_role("link", name="What if now?").first.click()
    expect(page.locator("#what-if table").first).to_contain_text("Suppression")
    if script:
        shoot(page, "person-what-if")

    page.get_by_role("button", name="Lift…").click()
    page.get_by_label("Reason").fill("the customer asked for it: T-17")
    page.get_by_role("button", name="Lift").click()
    page.get_by_role("button", name="Send again…").first.click()
    if script:
        shoot(page, "person-resend")
    page.get_by_label("Reason").fill("suppressed by mistake: T-17")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".messagelist")).to_contain_text("It is sent again, as a new message")

    def told() -> str:
        page.reload()
        return page.locator("#carillon-headline").inner_text()

    wait_for(lambda: "your mail provider took it in at" in told(), f"the page to say that it arrived: {told()}")
    assert page.locator(".carillon-entry").count() >= 1
    if script:
        page.goto(f"/admin/carillon/person/?q=u:{ada.pk}")
        shoot(page, "person-reached")
        page.locator(".carillon-copy summary").click()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert Suppression.objects.get().lifted_reason == "the customer asked for it: T-17"
    assert AuditEntry.objects.filter(action="resend").count() == 1


def test_an_operator_brings_300_dead_letters_back_after_an_outage(
    page_of: Callable[..., Page], person: Callable[..., Any], worker: Callable[[], None], sandbox: SandboxProcess
) -> None:
    for _ in range(LETTERS):
        notify(person(), "order-shipped", DATA)
    notify(person(), "login-code", {"code": "493021"})
    email = Delivery.objects.filter(channel="email", state=State.PENDING)
    outage = {"state": State.DEAD, "error_code": "503", "error_detail": "Service Unavailable", "provider": "email"}
    assert email.update(**outage, reason=Reason.RETRIES_EXHAUSTED, attempt=6, updated_at=Now()) == LETTERS
    other = Delivery.objects.filter(channel="sms", state=State.PENDING)
    other.update(state=State.DEAD, reason=Reason.NO_ROUTE, updated_at=timezone.now())
    before = sandbox.client.counts()["accepted"]["postmark"]
    page = page_of("view_delivery", "replay")

    page.goto("/admin/carillon/deadletter/")
    expect(page.locator(".carillon-headline")).to_contain_text("301 deliveries wait")
    shoot(page, "dead-letters")
    row = page.locator("tr", has_text="503")
    expect(row).to_contain_text(str(LETTERS))
    row.get_by_role("button", name="Replay…").click()
    expect(page.locator(".carillon-counts")).to_contain_text("will be sent again")
    shoot(page, "dead-letters-dry-run")
    page.get_by_label("At most so many in a second").fill("20")
    page.get_by_label("Reason").fill("the provider is back: INC-4")
    page.get_by_role("button", name=f"Replay ({LETTERS})").click()

    # The press itself does a page, at 20 in a second; the rest has its turn in time.
    run = AuditEntry.objects.get(action="replay")
    page.goto(f"/admin/carillon/deadletter/runs/{run.pk}/")
    shoot(page, "dead-letters-run")
    worker()
    wait_for(lambda: not REPLAYS.unfinished(), "the run to finish")
    headline = page.locator(".carillon-headline")  # it goes on by itself
    expect(headline).to_contain_text("Finished")
    expect(headline).to_contain_text("300 of 300 have had their turn")
    wait_for(
        lambda: sandbox.client.counts()["accepted"]["postmark"] - before >= LETTERS, "every letter to go out again"
    )
    page.goto("/admin/carillon/deadletter/")
    expect(page.locator(".carillon-headline")).to_contain_text("1 delivery waits")
    wait_for(lambda: not email.exists(), "the worker to record them")
    reached = Counter(message.delivery for message in sandbox.client.messages(provider="postmark", limit=2_000))
    assert len([key for key, times in reached.items() if times == 1]) >= LETTERS
    assert set(
        Delivery.objects.filter(channel="email").exclude(state="skipped").values_list("generation", flat=True)
    ) == {1}
