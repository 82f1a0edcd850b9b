"""Every page opens for those who may see it and for nobody else, counts nothing and costs few statements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import admin as console
from notifications.admin import PAGES
from notifications.enums import State, SuppressionCause
from notifications.flows.alerts import raise_alert
from notifications.flows.devices import Registration, register
from notifications.flows.gate import hold
from notifications.flows.keys import create_key
from notifications.flows.operate import By, audit
from notifications.flows.suppress import suppress
from notifications.models import (
    Broadcast,
    Claim,
    Delivery,
    DeliveryEvent,
    IdempotencyKey,
    Lease,
    LeftOut,
    Preference,
    Receipt,
    RefusedRequest,
    Topic,
    TopicSubscription,
)

from .conftest import killed, order

LISTS = sorted(model._meta.model_name for model in PAGES)
MOST_STATEMENTS = 12


@pytest.fixture
def everything(ada: Any) -> None:
    """At least one row of every model."""
    now = timezone.now()
    row = killed(ada)
    DeliveryEvent.objects.create(delivery=row, at=now, state=State.DEAD, provider="email", detail="to ada@example.com")
    notification = order(ada)
    made = Broadcast.objects.create(notification_id=notification.pk, status="sending", audience={"users": ["1", "2"]})
    LeftOut.objects.create(broadcast=made, recipient=f"u:{ada.pk}", error="DataError")
    Claim.objects.create(worker="w", channel="email", lane=1, provider="email", lease_expires_at=now, created_at=now)
    Receipt.objects.create(
        provider="email", event_key="1", kind="delivered", delivery_id=row.pk, received_at=now,
        address="ada@example.com", raw='{"Email": "ada@example.com"}',
    )  # fmt: skip
    register(ada.pk, Registration(platform="android", address="t" * 40))
    Preference.objects.create(recipient=f"u:{ada.pk}", channels={"sms": False})
    suppress("email", "bob@example.com", SuppressionCause.HARD_BOUNCE, "email")
    topic = Topic.objects.create(slug="news")
    TopicSubscription.objects.create(topic=topic, user=ada)
    raise_alert("kind", "subject", "detail")
    audit(By("root", "why"), "replay", done=1)
    hold("email", "broken", by="root", lasting=timedelta(minutes=5))
    Lease.objects.create(name="sweep", holder="w", expires_at=now)
    create_key("shop", ["send"])
    IdempotencyKey.objects.create(owner="python", key="k1", fingerprint="f", notification_id=notification.pk)
    RefusedRequest.objects.create(recipient=f"u:{ada.pk}", template="invoice", reason="invalid-data")


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


@pytest.mark.parametrize("name", LISTS)
def test_list_opens_counts_nothing_and_costs_few_statements(everything: None, browser: Client, name: str) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = browser.get(url(f"{name}_changelist"))
    assert response.status_code == 200
    assert not [query for query in queries if query["sql"].upper().startswith("SELECT COUNT(*)")]
    assert len(queries) <= MOST_STATEMENTS, [query["sql"] for query in queries]
    assert "carillon/console.css" in response.content.decode()
    assert "<h1>Select " not in response.content.decode(), "a list is called what it lists"


@pytest.mark.parametrize("name", LISTS)
def test_list_is_refused_to_plain_staff(everything: None, staff: Callable[..., Client], name: str) -> None:
    assert staff().get(url(f"{name}_changelist")).status_code == 403


@pytest.mark.parametrize("model", [model for model in PAGES if not model._meta.proxy], ids=lambda m: m._meta.model_name)
def test_change_page_opens_and_is_refused_to_plain_staff(
    everything: None, browser: Client, staff: Callable[..., Client], model: Any
) -> None:
    page = url(f"{model._meta.model_name}_change", model.objects.order_by("pk").first().pk)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(page).status_code == 200
    assert len(queries) <= MOST_STATEMENTS, [query["sql"] for query in queries]
    assert staff().get(page).status_code == 403


@pytest.mark.parametrize(
    "name",
    ["notification", "delivery", "deliveryevent", "claim", "receipt", "refusedrequest", "auditentry", "idempotencykey"],
)
def test_the_log_is_read_only_for_everybody(everything: None, browser: Client, name: str) -> None:
    model = next(model for model in PAGES if model._meta.model_name == name)
    row = model.objects.first()
    assert browser.get(url(f"{name}_add")).status_code == 403
    assert browser.post(url(f"{name}_change", row.pk), {}).status_code == 403
    assert browser.post(url(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_index_and_app_page_link_to_the_timeline_and_dead_letters(browser: Client) -> None:
    for page in (reverse("admin:index"), reverse("admin:app_list", args=["carillon"])):
        text = browser.get(page).content.decode()
        assert url("person_changelist") in text
        assert url("deadletter_changelist") in text


def test_the_app_page_shows_every_page_once_and_the_one_to_begin_with_first(browser: Client) -> None:
    text = browser.get(reverse("admin:app_list", args=["carillon"])).content.decode()
    content = text[text.index('id="content-main"') :]
    places = {name: content.index(f'href="{url(f"{name}_changelist")}"') for name in LISTS}
    assert sorted(places, key=places.__getitem__)[:5] == [
        "overview", "person", "deadletter", "delivery", "notification",
    ]  # fmt: skip
    assert all(content.count(f'href="{url(f"{name}_changelist")}"') == 1 for name in LISTS)


def test_register_serves_any_site() -> None:
    site = AdminSite(name="own")
    console.register(site)
    assert all(site.is_registered(model) for model in PAGES)
    console.register(site)
    assert all(admin.site.is_registered(model) for model in PAGES)


def test_older_and_newer_pages_show_every_row_once(ada: Any, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PAGES[Delivery], "list_per_page", 2)
    made = [order(ada).deliveries.get().pk for _ in range(5)]
    seen: list[UUID] = []
    page = url("delivery_changelist")
    pages = 0
    while page:
        changelist = browser.get(page).context["cl"]
        seen += [row.pk for row in changelist.result_list]
        pages += 1
        page = url("delivery_changelist") + changelist.older_query if changelist.older_query else ""
    assert seen == sorted(made, reverse=True)
    assert pages == 3
    back = browser.get(url("delivery_changelist") + changelist.newer_query).context["cl"]
    assert [row.pk for row in back.result_list] == seen[2:4]
    assert browser.get(url("delivery_changelist") + back.newer_query).context["cl"].newer_query == ""


def test_filters_search_and_cursor_keep_apart(ada: Any, browser: Client) -> None:
    row = killed(ada)
    order(ada)
    page = url("delivery_changelist")
    for query in (
        f"?q={row.pk}",
        f"?q={row.pk}.3",
        "?family=failed",
        "?state__exact=dead",
        f"?q={row.notification_id}",
    ):
        assert [item.pk for item in browser.get(page + query).context["cl"].result_list] == [row.pk], query
    for query in (f"?q=u:{ada.pk}", "?channel__exact=email", "?window=all-time", "?q="):
        assert len(browser.get(page + query).context["cl"].result_list) == 2, query
    assert browser.get(page + "?q=nothing-like-it").context["cl"].result_list == []
    assert browser.get(page + "?older=nonsense").status_code == 200


def test_a_slow_filter_says_narrow_your_filter(ada: Any, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    order(ada)
    monkeypatch.setattr("notifications.admin.changelist.MILLISECONDS", 50)
    slow = PAGES[Delivery].get_queryset
    monkeypatch.setattr(
        PAGES[Delivery],
        "get_queryset",
        lambda self, request: slow(self, request).extra(where=["(SELECT pg_sleep(5)) IS NOT NULL"]),
    )
    response = browser.get(url("delivery_changelist"))
    assert response.status_code == 200
    assert "Narrow your filter" in response.content.decode()
    monkeypatch.undo()
    assert len(browser.get(url("delivery_changelist")).context["cl"].result_list) == 1


@pytest.mark.parametrize(
    "page", ["delivery", "notification", "receipt", "device", "deliveryevent", "person", "deadletter"]
)
def test_personal_data_is_masked_without_the_permission(
    everything: None, ada: Any, staff: Callable[..., Client], page: str
) -> None:
    looking = staff("view_delivery", "view_notification", "view_receipt", "view_device", "view_deliveryevent")
    seeing = staff(
        "view_delivery", "view_notification", "view_receipt", "view_device", "view_deliveryevent", "view_pii"
    )
    model = next(model for model in PAGES if model._meta.model_name == page)
    pages = [url(f"{page}_changelist") + (f"?q={ada.pk}" if page == "person" else "")]
    if not model._meta.proxy:
        pages.append(url(f"{page}_change", model.objects.first().pk))
    masked = [looking.get(path) for path in pages]
    assert all(response.status_code == 200 for response in masked)
    for response in masked:
        for secret in ("ada@example.com", "t" * 40, "A-1042", "12345678", ">ada<"):
            assert secret not in response.content.decode()
    if page in ("delivery", "receipt", "person"):
        assert "ada@example.com" in "".join(seeing.get(path).content.decode() for path in pages)


def test_neither_digest_nor_secrets_are_shown(everything: None, browser: Client, ada: Any) -> None:
    key, plain = create_key("bank", ["send"])
    text = (
        browser.get(url("apikey_change", key.pk)).content.decode()
        + browser.get(url("apikey_changelist")).content.decode()
    )
    assert key.digest not in text
    assert plain not in text
    row = killed(ada)
    assert "secrets" not in browser.get(url("notification_change", row.notification_id)).content.decode()
