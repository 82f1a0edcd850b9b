"""Operators' pages: overview, providers, queues; what they show, who may look and act, and what each act leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications import wakeups
from notifications.enums import BroadcastStatus, Channel, Lane, Reason, State
from notifications.flows import clear, gate
from notifications.flows.alerts import raise_alert
from notifications.flows.gate import breaker, hold
from notifications.flows.operate import By
from notifications.flows.pausing import pause_channel
from notifications.models import (
    AuditEntry,
    Broadcast,
    ChannelPause,
    Claim,
    Delivery,
    Lease,
    Notification,
    ProviderHold,
    Tally,
    Traffic,
)

from .conftest import killed, order

PAGES = ("overview", "providercard", "queue")
MOST_STATEMENTS = 12


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """What a process knows of pauses outlives a test's transaction."""
    gate.forget_holds()
    yield
    gate.forget_holds()


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


@pytest.fixture
def outage(ada: Any) -> Delivery:
    """An hour in which email failed: dead letters, a hold, a pause, an alert, a claim that is stuck, traffic."""
    letter = killed(ada)
    now = Delivery.objects.database_now()
    minute = now.replace(second=0, microsecond=0)
    shared = {"seconds": 60, "channel": "email", "provider": "email", "category": "orders", "was": "pending"}
    for ago in range(50):
        begins = minute - timedelta(minutes=ago)
        Traffic.objects.create(begins=begins, state="sent", reason="", lag=18, moved=95, **shared)
        Traffic.objects.create(begins=begins, state="sent", reason="", lag=24, moved=5, **shared)
        Traffic.objects.create(begins=begins, state="dead", reason="retries_exhausted", lag=-1, moved=30, **shared)
    Tally.objects.create(
        slot=now, channel="sms", provider="twilio", category="login", was="pending", state="sent", lag=10, moved=7,
        sent=7, delivered=0,
    )  # fmt: skip
    hold("email", "their status page is red; told by bob@example.com", by="root", lasting=timedelta(minutes=30))
    raise_alert("breaker_open", "email", "The provider fails.")
    Claim.objects.create(
        worker="gone:1:abc", channel="email", lane=1, provider="email", started_upto=3, created_at=now,
        lease_expires_at=now - timedelta(minutes=3),
    )  # fmt: skip
    waiting = order(ada)
    Delivery.objects.filter(notification=waiting).update(due_at=now - timedelta(minutes=9), lane=Lane.HIGH)
    made = Notification.objects.create(
        template="new-post", category="social", version_id=1, created_at=now, recipient=""
    )
    Broadcast.objects.create(
        notification_id=made.pk, status=BroadcastStatus.STOPPED, audience={"all": True}, members=10, planned=10,
        tallied=True, stopped_for="12% failed",
    )  # fmt: skip
    return letter


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_few_statements_and_counts_no_table(outage: Delivery, browser: Client, name: str) -> None:
    browser.get(url(f"{name}_changelist"))  # what a process keeps of providers is read once
    with CaptureQueriesContext(connection) as queries:
        response = browser.get(url(f"{name}_changelist"))
    assert response.status_code == 200
    assert len(queries) <= MOST_STATEMENTS, [query["sql"] for query in queries]
    assert not [query for query in queries if query["sql"].upper().startswith("SELECT COUNT(*)")]


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_page_says_what_to_do_next(browser: Client, name: str) -> None:
    text = browser.get(url(f"{name}_changelist")).content.decode()
    said = {"overview": "Choose a longer one", "providercard": "Nothing happened to it", "queue": "Nothing waits"}
    assert said[name] in text


def test_the_overview_says_how_it_stands_and_why(outage: Delivery, browser: Client) -> None:
    response = browser.get(url("overview_changelist"))
    told = [response.context["first"]["text"], *(item["text"] for item in response.context["others"])]
    assert "No worker has reported" in told[0]
    assert any("no provider left (email: held)" in text for text in told)
    assert any("23% of what ended on Email has failed" in text for text in told)
    assert any("Urgent messages on Email have been due for 9 min" in text for text in told)
    assert any("1 broadcast stopped itself" in text for text in told)
    assert any("1 dead letter waits" in text for text in told)
    rows = {row["name"]: row for row in response.context["channels"]}
    email, sms = rows[Channel.EMAIL.label], rows[Channel.SMS.label]
    assert (email["sent"], email["failed"], email["due"], email["oldest"]) == ("5,000", "1,500", "1", "9 min")
    assert email["p95"] == "0.7 s", "95 of 100 took at most 2^(19/2) ms"
    assert sms["sent"] == "7", "what is not added up yet counts too"
    text = response.content.decode()
    assert "<title " in text
    assert "5,007 sent" in response.context["plot"]["description"]
    assert "5,000 sent" in response.context["as_text"]
    assert url("deadletter_changelist") + "?channel=email" in text


def test_a_quiet_and_a_busy_hour_are_told_apart(browser: Client) -> None:
    now = Delivery.objects.database_now()
    Lease.objects.create(name="sweeper", holder="w", expires_at=now + timedelta(seconds=9))
    page = url("overview_changelist")
    assert "All is quiet" in browser.get(page).context["first"]["text"]
    Traffic.objects.create(
        begins=now - timedelta(minutes=30), seconds=60, channel="push", provider="fcm", was="pending", state="sent",
        lag=10, moved=1_000,
    )  # fmt: skip
    assert "All goes out: 1,000 sent" in browser.get(page).context["first"]["text"]
    assert "All is quiet" in browser.get(page, {"window": "15m"}).context["first"]["text"]
    assert browser.get(page, {"window": "nonsense"}).context["windows"][1]["chosen"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_masked_without_the_permission(
    outage: Delivery, staff: Callable[..., Client], browser: Client, name: str
) -> None:
    pause_channel(Channel.SMS, timedelta(minutes=5), By("root", "asked by carol@example.com"))
    seeing = ("view_traffic", "view_providerhold", "view_claim", "view_delivery", "view_alert", "view_broadcast")
    text = staff(*seeing).get(url(f"{name}_changelist")).content.decode()
    assert "bob@example.com" not in text
    assert "carol@example.com" not in text
    if name == "providercard":
        assert "bob@example.com" in browser.get(url("providercard_changelist")).content.decode()


def test_what_one_may_not_see_elsewhere_is_not_on_the_overview(outage: Delivery, staff: Callable[..., Client]) -> None:
    text = staff("view_traffic").get(url("overview_changelist")).content.decode()
    for hidden in ("Open dead letters", "Running broadcasts", "Open alerts", url("queue_changelist")):
        assert hidden not in text


@pytest.mark.parametrize(
    ("page", "needed", "form"),
    [
        (("providercard_hold", "email"), ("view_providerhold", "add_providerhold"), {"minutes": "5"}),
        (("providercard_release", "email"), ("view_providerhold", "delete_providerhold"), {}),
        (("providercard_trial", "email"), ("view_providerhold", "send_trial"), {"press": "x"}),
        (("queue_pause", "sms"), ("view_claim", "add_channelpause"), {"minutes": "5"}),
        (("queue_resume", "sms"), ("view_claim", "delete_channelpause"), {}),
        (("queue_clear",), ("view_claim", "clear_waiting"), {"channel": "email", "action": clear.CANCEL}),
    ],
)
def test_an_act_is_refused_without_its_permission(
    staff: Callable[..., Client], page: tuple[str, ...], needed: tuple[str, ...], form: dict[str, str]
) -> None:
    address, whole = url(*page), {**form, "reason": "because"}
    for granted in ((), needed[:1], needed[1:]):
        for ask in (lambda client: client.get(address), lambda client: client.post(address, whole)):
            assert ask(staff(*granted)).status_code == 403, granted
    assert AuditEntry.objects.count() == 0
    assert staff(*needed).get(address).status_code == 200
    assert Client().get(address).status_code == 302


def test_a_provider_is_held_released_and_nothing_is_done_twice(browser: Client) -> None:
    page = url("providercard_hold", "email")
    assert browser.post(page, {"minutes": "0", "reason": "x"}).status_code == 200
    assert browser.post(page, {"minutes": "30", "reason": ""}).status_code == 200
    assert not ProviderHold.objects.exists()
    for _ in range(2):
        assert browser.post(page, {"minutes": "30", "reason": "red status page"}).status_code == 302
    assert ProviderHold.objects.count() == 1
    card = next(
        item for item in browser.get(url("providercard_changelist")).context["cards"] if item["alias"] == "email"
    )
    assert "held" in card["state"]
    assert [item["what"] for item in card["transitions"]] == ["held", "held"]
    release = url("providercard_release", "email")
    for _ in range(2):
        assert browser.post(release, {"reason": "green again"}).status_code == 302
    assert not ProviderHold.objects.exists()
    assert browser.get(url("providercard_hold", "nobody")).status_code == 404
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "reason"))
    assert told == [("hold_provider", "red status page")] * 2 + [("release_provider", "green again")]


def test_a_card_tells_of_an_open_breaker(browser: Client, own_redis: Any) -> None:
    circuit = breaker("email")
    circuit.report(circuit.check(), 0, 30)
    card = next(
        item for item in browser.get(url("providercard_changelist")).context["cards"] if item["alias"] == "email"
    )
    assert "breaker open" in card["state"]
    assert card["until_label"] == "next probe"
    assert card["until"]
    assert card["since"]
    assert [str(item["what"]) for item in card["transitions"]] == ["breaker opened"]


def test_a_trial_goes_to_oneself_once_however_often_it_is_pressed(browser: Client, root: Any) -> None:
    page = url("providercard_trial", "email")
    press = browser.get(page).context["press"]
    for _ in range(2):
        answer = browser.post(page, {"reason": "is it up again?", "press": press})
        assert answer.status_code == 302
        assert url("person_changelist") in answer["Location"]
    row = Delivery.objects.get()
    assert (row.address, row.channel) == ("root@example.com", Channel.EMAIL)
    assert AuditEntry.objects.get().action == "trial_send"
    get_user_model().objects.update(email="")
    assert browser.post(page, {"reason": "again", "press": "other"})["Location"] == url("providercard_changelist")
    assert Delivery.objects.count() == 1


def test_a_channel_is_paused_and_resumed(browser: Client) -> None:
    for _ in range(2):
        assert browser.post(url("queue_pause", "sms"), {"minutes": "5", "reason": "wrong text"}).status_code == 302
    assert ChannelPause.objects.get().paused_by == "root"
    text = browser.get(url("queue_changelist")).content.decode()
    assert "Resume…" in text
    assert "wrong text" in text
    assert "SMS is paused" in browser.get(url("overview_changelist")).content.decode()
    for _ in range(2):
        assert browser.post(url("queue_resume", "sms"), {"reason": "mended"}).status_code == 302
    assert not ChannelPause.objects.exists()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["pause_channel", "pause_channel", "resume_channel"]
    assert browser.post(url("queue_pause", "fax"), {"minutes": "5", "reason": "x"}).status_code == 404


def test_queues_show_what_waits_why_and_who_is_stuck(outage: Delivery, browser: Client) -> None:
    context = browser.get(url("queue_changelist")).context
    email = next(row for row in context["channels"] if row["key"] == "email")
    assert email["lanes"] == ["0", "1", "0", "0"]
    assert email["oldest"] == "9 min"
    assert [(item["reason"], item["count"]) for item in context["reasons"]] == [("new", "1")]
    assert context["stuck"][0]["worker"] == "gone:1:abc"
    assert context["workers"][0]["name"] == "gone:1:abc"
    assert "silent" in context["workers"][0]["state"]
    wakeups.beat([Channel.SMS, Channel.EMAIL], "host:7:def")
    wakeups.beat([Channel.EMAIL], "gone:1:abc")
    gone, other = browser.get(url("queue_changelist")).context["workers"]
    assert (other["name"], other["serves"], other["claims"]) == ("host:7:def", "SMS, Email", 0)
    assert "waits for work" in other["state"]
    assert "silent" in gone["state"], "it lives, and lost a lease all the same"


def test_what_waits_is_looked_at_then_cancelled_or_expired(ada: Any, browser: Client) -> None:
    rows = [order(ada).deliveries.get() for _ in range(3)]
    page = url("queue_clear")
    assert "see how many wait" in browser.get(page).content.decode()
    assert "is no channel" in browser.get(page, {"channel": "fax"}).content.decode()
    looked = browser.get(page, {"channel": "email", "about": str(rows[0].notification_id)})
    assert looked.context["found"]["count"] == 1
    form = {
        "channel": "email", "about": str(rows[0].notification_id), "until": looked.context["until"],
        "counted": "1", "action": clear.CANCEL,
    }  # fmt: skip
    assert browser.post(page, {**form, "reason": ""}).status_code == 200
    assert not AuditEntry.objects.exists()
    answers = [browser.post(page, {**form, "reason": "ordered by mistake"}) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"], "a double click is one run"
    assert Delivery.objects.get(state=State.CANCELLED).pk == rows[0].pk
    run = browser.get(answers[0]["Location"])
    assert "finished" in run.context["state"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason, entry.planned, entry.done) == (
        clear.CANCEL, "root", "ordered by mistake", 1, 1,
    )  # fmt: skip
    looked = browser.get(page, {"channel": "email"})
    form = {
        "channel": "email",
        "until": looked.context["until"],
        "counted": "2",
        "action": clear.EXPIRE,
        "reason": "old",
    }
    browser.post(page, form)
    assert Delivery.objects.filter(state=State.EXPIRED, reason=Reason.TTL).count() == 2


def test_many_are_only_cleared_once_their_number_is_typed(
    ada: Any, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.admin.confirm.TYPED_ABOVE", 1)
    for _ in range(2):
        order(ada)
    page = url("queue_clear")
    looked = browser.get(page, {"channel": "email"})
    assert "typed" in looked.context["form"].fields
    form = {"channel": "email", "until": looked.context["until"], "counted": "2", "action": clear.CANCEL, "reason": "x"}
    assert browser.post(page, {**form, "typed": "3"}).status_code == 200
    assert not AuditEntry.objects.exists()
    assert browser.post(page, {**form, "typed": "2"}).status_code == 302


def test_a_run_can_be_stopped_by_those_who_may_begin_one(
    ada: Any, browser: Client, staff: Callable[..., Client]
) -> None:
    order(ada)
    looked = browser.get(url("queue_clear"), {"channel": "email"})
    chosen = clear.chosen_of(AuditEntry(detail={"filter": {"channel": "email"}, "until": looked.context["until"]}))
    entry = clear.begin(clear.CANCEL, chosen, By("root", "x"))
    page = url("queue_run", entry.pk)
    assert "under way" in browser.get(page).context["state"]
    assert "Cancelling what waits" in browser.get(url("queue_changelist")).content.decode()
    assert staff("view_claim").post(page, {"reason": "stop"}).status_code == 403
    assert staff("clear_waiting").get(page).status_code == 403
    browser.post(page, {"reason": "wrong filter"})
    assert "stopped" in browser.get(page).context["state"]
    assert Delivery.objects.get().state == State.PENDING
    assert browser.get(url("queue_run", entry.pk + 999)).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_takes_too_long_says_what_to_do(
    outage: Delivery, browser: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("notifications.admin.base.MILLISECONDS", 50)
    monkeypatch.setattr("notifications.models.figures._STANDING", "SELECT pg_sleep(5)")
    response = browser.get(url(f"{name}_changelist"))
    assert response.status_code == 200
    assert "Narrow your filter" in response.content.decode()
