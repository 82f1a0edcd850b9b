"""What support does on a person's page: read one sentence out, send a message again, lift a suppression."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import State, SuppressionCause
from notifications.flows.devices import Registration, register
from notifications.flows.operate import By
from notifications.flows.resend import resend, resendable
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Delivery, Notification, Suppression
from project.demo.pages import forms_in

from .conftest import order
from .test_person import TOKEN, timeline

RESEND, LIFT = "admin:carillon_person_resend", "admin:carillon_person_lift"


@pytest.fixture
def sent(ada: Any) -> Delivery:
    """An order email that reached the customer."""
    row: Delivery = order(ada).deliveries.get()
    now = timezone.now()
    Delivery.objects.filter(pk=row.pk).update(
        state=State.DELIVERED, provider="email", attempt=1, sent_at=now, delivered_at=now, updated_at=now
    )
    row.refresh_from_db()
    return row


def asked(browser: Client, row: Delivery, **more: str) -> Any:
    values = {"notification": str(row.notification_id), "recipient": row.recipient, **more}
    return browser.post(reverse(RESEND) + f"?q={row.recipient}", values)


def confirmation(page: Any) -> dict[str, str]:
    form = next(form for form in forms_in(page.content.decode()) if "confirm" in form.fields)
    return {**form.fields, "reason": "it never came up: T-17"}


# ---------------------------------------------------------------- looking


def test_the_top_line_is_the_sentence_for_the_customer(browser: Client, ada: Any, sent: Delivery) -> None:
    page = timeline(browser, ada.pk)
    sentence = page.context["headline"]
    assert sentence.startswith("We sent your message “order shipped” to the mailbox a…@example.com at ")
    assert "your mail provider took it in at" in sentence
    assert page.content.decode().index(sentence) < page.content.decode().index("carillon-timeline")
    order(ada)  # a newer one is on top, but the one that was looked for is told
    assert timeline(browser, ada.pk).context["headline"] != sentence
    assert timeline(browser, sent.pk).context["headline"] == sentence


def test_the_story_goes_from_the_request_to_the_receipt(browser: Client, ada: Any, sent: Delivery) -> None:
    (entry,) = timeline(browser, ada.pk).context["entries"]
    steps = entry["deliveries"][0]["steps"]
    assert [step.get("name") or "state" for step in steps] == ["Request", "Rules", "state", "state"]
    assert {verdict for _name, _mark, verdict in steps[1]["verdicts"]} == {"passes"}
    Delivery.objects.filter(pk=sent.pk).update(state=State.SKIPPED, reason="preference", sent_at=None)
    (entry,) = timeline(browser, ada.pk).context["entries"]
    said = {name: verdict for name, _mark, verdict in entry["deliveries"][0]["steps"][1]["verdicts"]}
    assert (said["Words"], said["Switch of the device"], said["Provider"]) == ("passes", "stops", "not_asked")


def test_nothing_in_a_window_is_an_answer(browser: Client, ada: Any) -> None:
    page = timeline(browser, ada.pk)
    assert "Nothing was asked for this person in this window: the last 30 days." in page.content.decode()
    old = order(ada)
    moved = type(old.pk)(int=old.pk.int - ((40 * 86_400_000) << 80))
    Delivery.objects.filter(notification_id=old.pk).delete()
    Notification.objects.filter(pk=old.pk).update(id=moved)
    Delivery.objects.create(
        id=moved, notification_id=moved, recipient=f"u:{ada.pk}", channel="email", lane=2, state="sent",
        due_at=timezone.now(), updated_at=timezone.now(),
    )  # fmt: skip
    page = timeline(browser, ada.pk)
    assert not page.context["entries"]
    ever = browser.get(page.context["ever_url"])
    assert [entry["id"] for entry in ever.context["entries"]] == [moved]
    assert timeline(browser, moved).context["entries"]


def test_a_token_is_found_by_its_ending(browser: Client, ada: Any) -> None:
    register(ada.pk, Registration(platform="ios", address=TOKEN[:-8] + "9f3c01ab"))
    for ending in ("3c01ab", "…3c01ab", "9f3c01ab"):
        assert timeline(browser, ending).context["person"]["recipient"] == f"u:{ada.pk}"
    for other in ("c01ab", "4c01ab", "1f3c01ab"):
        assert timeline(browser, other).context.get("nothing")


def test_the_summary_is_text_without_a_whole_address(browser: Client, ada: Any, sent: Delivery) -> None:
    summary = timeline(browser, ada.pk).context["summary"]
    assert summary.startswith("We sent your message")
    for words in (str(sent.pk), str(sent.notification_id), "email a…@example.com delivered", "UTC"):
        assert words in summary
    assert "ada@" not in summary


# ---------------------------------------------------------------- sending again


def test_resend_warns_asks_why_and_makes_one_linked_message(browser: Client, ada: Any, sent: Delivery) -> None:
    page = asked(browser, sent)
    assert "they will get it twice" in page.content.decode()
    assert [item["channel"] for item in page.context["foreseen"]] == ["Email"]
    assert Notification.objects.count() == 1
    form = confirmation(page)
    assert browser.post(reverse(RESEND), {**form, "reason": ""}).context["form"].errors
    for said in ("as a new message", "sent again already"):  # pressed twice
        done = browser.post(reverse(RESEND), form, follow=True)
        assert said in done.content.decode()
    made = Notification.objects.exclude(pk=sent.notification_id).get()
    assert (made.resend_of, made.recipient, made.template) == (sent.notification_id, f"u:{ada.pk}", "order-shipped")
    assert made.data == {"number": "A-1042", "total": 59.9, "items": ["Bell"]}
    entry = AuditEntry.objects.get(action="resend")
    assert (entry.actor, entry.reason, entry.detail) == (
        "root",
        "it never came up: T-17",
        {"notification": str(made.pk)},
    )
    assert done.context["entries"][0]["resend_of_url"]
    again = asked(browser, sent)
    assert "has been sent again before: 1" in again.content.decode()
    browser.post(reverse(RESEND), confirmation(again))
    assert Notification.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_saw_the_same_page_send_one(ada: Any) -> None:
    row = order(ada).deliveries.get()
    started, failed = Barrier(4), []

    def press(name: str) -> None:
        try:
            again = resendable(row.notification_id, row.recipient)
            started.wait()
            resend(again, 0, By(name, "pressed"))
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connection.close()

    threads = [Thread(target=press, args=[f"operator{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Notification.objects.filter(resend_of=row.notification_id).count() == 1
    assert AuditEntry.objects.filter(action="resend").count() == 1


def test_what_holds_a_message_back_holds_it_back_again(browser: Client, ada: Any, sent: Delivery) -> None:
    suppress("email", "ada@example.com", SuppressionCause.HARD_BOUNCE, "email")
    page = asked(browser, sent)
    assert "suppressed after a bounce" in page.content.decode()
    browser.post(reverse(RESEND), confirmation(page))
    made = Notification.objects.get(resend_of=sent.notification_id)
    assert made.deliveries.get().reason == "suppression"


def test_a_code_goes_out_again_until_it_was_erased(browser: Client, ada: Any) -> None:
    row = notify(ada, "login-code", {"code": "493021"}).deliveries.filter(channel="sms").get()
    page = asked(browser, row)
    assert "493021" not in page.content.decode()
    browser.post(reverse(RESEND), confirmation(page))
    assert Notification.objects.get(resend_of=row.notification_id).secrets
    Notification.objects.filter(pk=row.notification_id).update(secrets=None)
    assert "have been erased after use" in asked(browser, row).content.decode()
    browser.post(reverse(RESEND), confirmation(page))
    assert Notification.objects.filter(resend_of=row.notification_id).count() == 1


def test_somebody_without_an_account_gets_it_again_at_the_same_address(browser: Client, db: None) -> None:
    first = notify(
        Address(email="eve@example.com", locale="de"), "order-shipped", {"number": "A", "total": 1.5, "items": []}
    )
    row = first.deliveries.get()
    browser.post(reverse(RESEND), confirmation(asked(browser, row)))
    made = Notification.objects.get(resend_of=first.pk)
    assert (made.recipient, made.addresses, made.locale) == (first.recipient, first.addresses, "de")


@pytest.mark.parametrize("key", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_a_made_up_message_is_refused(browser: Client, sent: Delivery, key: str) -> None:
    values = {"notification": key, "recipient": "u:\x00", "confirm": "yes", "reason": "x", "seen": "0"}
    assert "There is no such message" in browser.post(reverse(RESEND), values).content.decode()
    assert Notification.objects.count() == 1


# ---------------------------------------------------------------- lifting, roles, the button


def test_a_suppression_is_lifted_with_a_reason_and_leads_back(browser: Client, ada: Any) -> None:
    row = suppress("email", "ada@example.com", SuppressionCause.STOP, "email")
    assert timeline(browser, ada.pk).context["suppressions"][0]["key"] == row.pk
    url = reverse(LIFT) + "?q=ada"
    page = browser.post(url, {"ids": str(row.pk)})
    assert page.context["dry_run"].will == 1
    done = browser.post(url, confirmation(page))
    assert done.url == reverse("admin:carillon_person_changelist") + "?q=ada"
    lifted = Suppression.objects.get()
    assert (lifted.lifted_reason, bool(lifted.lifted_at)) == ("it never came up: T-17", True)
    assert AuditEntry.objects.get().action == "lift_suppression"


def test_acting_is_refused_where_it_was_not_granted(staff: Callable[..., Client], ada: Any, sent: Delivery) -> None:
    held = suppress("email", "ada@example.com", SuppressionCause.STOP, "email")
    form = {"notification": str(sent.notification_id), "recipient": sent.recipient, "confirm": "yes", "seen": "0"}
    looking = staff("view_delivery")
    text = timeline(looking, ada.pk).content.decode()
    assert reverse(RESEND) not in text
    assert reverse(LIFT) not in text
    for browser in (looking, staff(), staff("resend"), Client()):
        for name in (RESEND, LIFT):
            refused = browser.post(reverse(name), {**form, "ids": str(held.pk), "reason": "x"})
            assert refused.status_code == 403 or "login" in refused.url
    assert Notification.objects.count() == 1
    assert Suppression.objects.get().lifted_at is None
    acting = staff("view_delivery", "resend", "change_suppression")
    for name in (RESEND, LIFT):
        assert reverse(name) in timeline(acting, ada.pk).content.decode()
        assert acting.get(reverse(name)).status_code == 405
    shown = asked(acting, sent).content.decode()
    assert "a…@example.com" in shown
    assert "ada@example.com" not in shown


def test_the_hosts_user_page_has_a_button_to_the_messages(
    browser: Client, staff: Callable[..., Client], ada: Any
) -> None:
    url = reverse("admin:auth_user_change", args=[ada.pk])
    page = browser.get(url).content.decode()
    target = reverse("admin:carillon_person_changelist") + f"?q=u%3A{ada.pk}"
    assert f'href="{target}">Messages</a>' in page
    assert "historylink" in page  # what the page had before is there still
    assert timeline(browser, f"u:{ada.pk}").context["person"]["name"] == "ada"
    outsider = staff()
    outsider_user = outsider.get(url)
    assert outsider_user.status_code == 403
    assert "Messages" not in browser.get(reverse("admin:auth_user_add")).content.decode()
