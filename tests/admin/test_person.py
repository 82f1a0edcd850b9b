"""The timeline: whatever a customer sends leads to the person, and everything that was asked for is on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import State, SuppressionCause
from notifications.exceptions import InvalidData
from notifications.flows.devices import Registration, prune, register
from notifications.flows.find import find
from notifications.flows.suppress import suppress
from notifications.models import Broadcast, Delivery, DeliveryEvent, Notification, Preference, Receipt

from .conftest import killed, order

TOKEN = "token-" + "x" * 40


def timeline(browser: Client, term: object, **more: object) -> Any:
    return browser.get(reverse("admin:carillon_person_changelist"), {"q": str(term), **more})


@pytest.fixture
def message(ada: Any) -> Delivery:
    """An order email that the provider took."""
    sent = notify(ada, "order-shipped", {"number": "A-7", "total": 1.5, "items": []}, idempotency_key="order-7")
    row: Delivery = sent.deliveries.get()
    Delivery.objects.filter(pk=row.pk).update(
        state=State.SENT, provider="email", provider_message_id="pm-77", attempt=1
    )
    register(ada.pk, Registration(platform="ios", address=TOKEN))
    return row


@pytest.mark.parametrize(
    "term",
    [
        "{ada.pk}", "u:{ada.pk}", "ada", "ada@example.com", " ada@EXAMPLE.com ", "+4915112345678", "+49 151 12345678",
        TOKEN, "{row.pk}", "{row.pk}.1", "{row.notification_id}", "pm-77", "order-7",
    ],
)  # fmt: skip
def test_search_finds_the_person(browser: Client, ada: Any, message: Delivery, term: str) -> None:
    wanted = term.format(ada=ada, row=message)
    page = timeline(browser, wanted)
    assert page.context["person"]["recipient"] == f"u:{ada.pk}"
    assert [entry["id"] for entry in page.context["entries"]] == [message.notification_id]
    sought = wanted.startswith((str(message.pk), str(message.notification_id), "pm-", "order-"))
    assert page.context["entries"][0]["is_sought"] == sought


def test_somebody_without_an_account_is_found_by_address(browser: Client, db: None) -> None:
    sent = notify(Address(email="eve@example.com"), "order-shipped", {"number": "A-1", "total": 1.5, "items": []})
    for term in ("eve@example.com", sent.recipient, sent.pk):
        page = timeline(browser, term)
        assert page.context["person"]["recipient"] == sent.recipient
        assert [entry["id"] for entry in page.context["entries"]] == [sent.pk]


def test_everything_is_on_the_timeline(browser: Client, ada: Any, message: Delivery) -> None:
    now = timezone.now()
    DeliveryEvent.objects.create(delivery=message, at=now, attempt=1, state=State.PENDING, reason="retry", code="503")
    Receipt.objects.create(provider="email", event_key="1", kind="opened", delivery_id=message.pk, received_at=now)
    Preference.objects.create(
        recipient=f"u:{ada.pk}", channels={"sms": False}, categories={"social": {"push": False}},
        quiet_hours=[{"days": [0, 6], "start": "22:00", "end": "07:00"}], time_zone="Europe/Berlin",
    )  # fmt: skip
    suppress("email", "ada@example.com", SuppressionCause.HARD_BOUNCE, "email")
    prune([register(ada.pk, Registration(platform="web", address="gone" * 10))[0].pk])
    with pytest.raises(InvalidData):
        notify(ada, "order-shipped", {"nonsense": 1})
    notify(ada, "login-code", {"code": "493021"})
    text = timeline(browser, ada.pk).content.decode()
    for words in (
        "The provider took it", "waiting to retry", "503", "receipt: opened", "invalid-data", "Hard bounce",
        "Pruned by hand", "Mon, Sun", "22:00–07:00", "social · push", "login-code", "ada@example.com",
    ):  # fmt: skip
        assert words in text, words
    assert "493021" not in text


def test_statements_stay_few_for_staff_with_permissions(
    staff: Callable[..., Client], ada: Any, message: Delivery
) -> None:
    for _ in range(20):
        killed(ada)
    browser = staff("view_delivery")
    for term in ("ada@example.com", message.pk, ada.pk):
        with CaptureQueriesContext(connection) as queries:
            assert len(timeline(browser, term).context["entries"]) >= 1
        assert len(queries) <= 12, [query["sql"] for query in queries]


def test_pages_are_bounded_and_lose_nobody(browser: Client, ada: Any) -> None:
    made = [order(ada).pk for _ in range(60)]
    first = timeline(browser, ada.pk)
    assert len(first.context["entries"]) == 50
    older = browser.get(first.context["older_url"])
    assert not older.context["older_url"]
    seen = [entry["id"] for page in (first, older) for entry in page.context["entries"]]
    assert seen == sorted(made, reverse=True)
    deep = timeline(browser, made[0])
    assert [entry["id"] for entry in deep.context["entries"]] == [made[0]]
    assert deep.context["newest_url"]


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 40, "1"])
def test_a_made_up_cursor_does_no_harm(browser: Client, ada: Any, before: str) -> None:
    order(ada)
    assert timeline(browser, ada.pk, before=before).status_code == 200


@pytest.mark.parametrize(
    "term", ["nobody@example.com", "00000000-0000-0000-0000-000000000000", "x" * 5000, "a\x00b", "%"]
)
def test_nothing_found_says_what_to_do(browser: Client, term: str) -> None:
    assert "Paste the whole address or id" in timeline(browser, term).content.decode()


def test_a_refused_request_for_somebody_unknown_is_found(browser: Client, db: None) -> None:
    with pytest.raises(Exception, match="no such user"):
        notify("4711", "order-shipped", {})
    page = timeline(browser, "4711")
    assert page.context["entries"][0]["refused"] == "unknown-recipient"
    assert page.context["person"]["unknown"]


def test_a_broadcast_is_told_from_a_person(browser: Client, ada: Any) -> None:
    row = order(ada)
    Notification.objects.filter(pk=row.pk).update(recipient="")
    Broadcast.objects.create(notification_id=row.pk, status="sending", audience={"all": True})
    assert timeline(browser, row.pk).context["broadcast_url"]


def test_looking_needs_the_permission(staff: Callable[..., Client]) -> None:
    assert timeline(staff("view_notification"), "ada").status_code == 403


def test_two_people_with_one_phone_are_both_offered(browser: Client, ada: Any, root: Any) -> None:
    type(ada.profile).objects.create(user=root, phone="+4915112345678")
    assert len(find("+4915112345678").people) == 2
    assert len(timeline(browser, "+4915112345678").context["others"]) == 1
