"""What the console shows of broadcasts and lets people do to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications import broadcast
from notifications.enums import State
from notifications.flows.broadcast import plan_page
from notifications.flows.devices import Registration, register
from notifications.flows.left_out import keep_left_out
from notifications.models import AuditEntry, Broadcast, Category, Delivery, LeftOut, Notification, Template
from notifications.models.tally import BroadcastTally, Tally

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 12


@pytest.fixture
def made(ada: Any, own_redis: None) -> Broadcast:
    """A broadcast to everybody, of whom one has a device."""
    register(ada.pk, Registration(platform="android", address="token-of-ada-0001"))
    return broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"})


@pytest.fixture
def draft(ada: Any, own_redis: None) -> Broadcast:
    """A draft that nobody has launched."""
    register(ada.pk, Registration(platform="android", address="token-of-ada-0001"))
    return broadcast("new-post", {"users": [str(ada.pk)]}, {"title": "Bells"}, draft=True)


def page(made: Broadcast, name: str = "change") -> str:
    return reverse(f"admin:carillon_broadcast_{name}", args=[made.pk])


def text_of(browser: Client, made: Broadcast) -> str:
    found: str = browser.get(page(made)).content.decode()
    return found


def do(browser: Client, made: Broadcast, action: str, **values: Any) -> Any:
    """Open an action's page; with values, confirm it with what the page showed."""
    url = reverse("admin:carillon_broadcast_do", args=[made.pk, action])
    shown = browser.get(url, follow=not values)
    if not values:
        return shown
    counted = shown.context["counted"] if shown.context and "counted" in shown.context else 0
    answer = browser.post(url, {"counted": counted, **values}, follow=True)
    made.refresh_from_db()
    return answer


def together(browser: Client, made: Broadcast, action: str, **more: str) -> Any:
    values = {"action": action, "_selected_action": [str(made.pk)], **more}
    return browser.post(reverse("admin:carillon_broadcast_changelist"), values, follow=bool(more))


def audited() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def at_work(made: Broadcast, **states: int) -> None:
    """Let a broadcast's tallies say that so many deliveries are in these states."""
    BroadcastTally.objects.all().delete()
    Tally.objects.all().delete()
    for state, held in states.items():
        sent = held if state in ("sent", "delivered", "bounced") else 0
        BroadcastTally.objects.create(
            notification_id=made.notification_id, slot=timezone.now(), state=state, held=held, sent=sent,
            delivered=held if state == "delivered" else 0,
        )  # fmt: skip


def test_several_are_paused_after_a_dry_run_and_with_a_reason(browser: Client, made: Broadcast) -> None:
    assert together(browser, made, "pause").context["dry_run"].will == 1
    assert together(browser, made, "resume").context["dry_run"].will == 0
    made.refresh_from_db()
    assert made.status == "planning"
    assert "Done for 1 broadcast." in together(browser, made, "pause", confirm="yes", reason="wait").content.decode()
    made.refresh_from_db()
    assert made.status == "paused"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor, entry.reason) == (
        "pause_broadcast",
        str(made.pk),
        "root",
        "wait",
    )
    assert (entry.detail["before"], entry.detail["after"]) == ("planning", "paused")
    again = together(browser, made, "pause", confirm="yes", reason="wait").content.decode()
    assert "A broadcast that is paused cannot be paused." in again
    assert AuditEntry.objects.count() == 1


def test_the_list_tells_progress_in_few_statements(browser: Client, made: Broadcast) -> None:
    for _ in range(5):
        broadcast("new-post", {"all": True}, {"title": "x"}, draft=True)
    plan_page(made.pk)
    at_work(made, pending=10, sent=20, delivered=60, failed=3, skipped=7)
    with CaptureQueriesContext(connection) as queries:
        text = browser.get(reverse("admin:carillon_broadcast_changelist")).content.decode()
    assert len(queries) <= MOST_STATEMENTS, [query["sql"] for query in queries]
    assert "80 of 100 sent" in text
    assert 'aria-label="90% done. delivered: 60, sent: 20, not sent on purpose: 7, failed: 3, waiting: 10"' in text
    assert "1 user by name" in text
    assert "everybody" in text


def test_an_empty_list_says_what_to_do_next(browser: Client) -> None:
    assert "Draft one with" in browser.get(reverse("admin:carillon_broadcast_changelist")).content.decode()


def test_the_page_tells_what_broke_and_how_near_the_guard_is(browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    Delivery.objects.update(state=State.FAILED, reason="no_route", provider="fcm", error_code="SENDER_ID_MISMATCH")
    at_work(made, pending=10, delivered=60, failed=40)
    with CaptureQueriesContext(connection) as queries:
        text = text_of(browser, made)
    assert len(queries) <= MOST_STATEMENTS, [query["sql"] for query in queries]
    assert not [query for query in queries if query["sql"].upper().startswith("SELECT COUNT(*)")]
    assert "SENDER_ID_MISMATCH" in text
    assert "40 of 100 failed (40.0%; it stops above 20.0%)" in text
    assert "judged from 500 tried on" in text
    assert "not yet: it arrived" in text
    live = browser.get(page(made, "live"))
    assert "no-store" in live["Cache-Control"]
    assert "<html" not in live.content.decode()
    assert "SENDER_ID_MISMATCH" in live.content.decode()


def test_the_launch_is_reckoned_with_who_is_not_planned_yet(browser: Client, made: Broadcast) -> None:
    Broadcast.objects.update(status="planning", expected=1000, members=100, planned=100, started_at=timezone.now())
    at_work(made, pending=20, sent=80)
    assert "80 of about 1,000 sent" in text_of(browser, made)


@pytest.mark.parametrize("version", ["", "1"])
def test_a_stopped_one_says_why_and_is_resumed(browser: Client, made: Broadcast, version: str) -> None:
    plan_page(made.pk)
    Broadcast.objects.update(status="stopped", stopped_for="3 of 4 failed")
    made.refresh_from_db()
    assert "3 of 4 failed" in text_of(browser, made)
    do(browser, made, "resume", reason="mended")
    assert (made.status, made.stopped_for) == ("sending", "")
    assert audited() == ["resume_broadcast"]


def test_it_is_resumed_with_newer_words(browser: Client, made: Broadcast) -> None:
    template = Template.objects.get(slug="new-post")
    plan_page(made.pk)
    do(browser, made, "pause", reason="a wrong word")
    words = reverse("admin:carillon_template_words", args=[template.pk])
    form = browser.get(words).context["form"]
    values = {field.name: str(field.value() or "") for field in form}
    browser.post(words, {**values, "push|en|title": "Better: {{ title }}", "reason": "wrong word"})
    assert "Version 2 of the words was published since" in text_of(browser, made)
    shown = do(browser, made, "resume").context["form"]
    assert [value for value, _label in shown.fields["version"].choices] == ["", "2"]
    do(browser, made, "resume", reason="mended", version="2")
    assert made.status == "sending"
    assert Notification.objects.get(pk=made.notification_id).unsent_version.number == 2
    assert AuditEntry.objects.get(action="resume_broadcast").detail["version"] == 2
    text = text_of(browser, made)
    assert "Count how many went out with which version" in text
    assert "0 with version 2" in browser.get(page(made), {"versions": "1"}).content.decode()


def test_what_cannot_be_done_is_said(browser: Client, made: Broadcast) -> None:
    assert "This cannot be done (any more)" in do(browser, made, "resume").content.decode()
    assert "This cannot be done (any more)" in do(browser, made, "launch").content.decode()
    assert browser.get(reverse("admin:carillon_broadcast_do", args=[made.pk, "x"])).status_code == 404
    assert browser.get(reverse("admin:carillon_broadcast_do", args=[uuid4(), "pause"])).status_code == 404


def test_who_was_left_out_is_shown_and_planned_again(browser: Client, made: Broadcast, ada: Any) -> None:
    plan_page(made.pk)
    made.refresh_from_db()
    Delivery.objects.all().delete()
    keep_left_out(made, {ada.pk: "DataError"})
    made.save()
    assert "DataError" in text_of(browser, made)
    listed = browser.get(reverse("admin:carillon_leftout_changelist"), {"q": str(made.pk)})
    assert [row.recipient for row in listed.context["cl"].result_list] == [f"u:{ada.pk}"]
    do(browser, made, "plan_left_out", reason="mended")
    assert not LeftOut.objects.exists()
    assert Delivery.objects.count() == 1


def test_a_draft_is_previewed(browser: Client, made: Broadcast) -> None:
    assert page(made, "preview") not in text_of(browser, made)
    assert browser.get(page(made, "preview"), follow=True).content.decode().count("cannot be previewed") == 1
    Broadcast.objects.update(status="draft")
    assert page(made, "preview") in text_of(browser, made)
    shown = browser.get(page(made, "preview")).content.decode()
    assert "All 1 recipients were looked at." in shown
    assert "Nothing is missing." in shown
    assert not Delivery.objects.exists()
    assert browser.get(reverse("admin:carillon_broadcast_preview", args=[uuid4()])).status_code == 404


def test_a_launch_asks_for_name_and_count_and_can_be_taken_back(browser: Client, draft: Broadcast) -> None:
    shown = do(browser, draft, "launch")
    assert shown.context["counted"] == 1
    for wrong in ({"name": "new-posts", "typed": "1"}, {"name": "new-post", "typed": "2"}, {}):
        answer = do(browser, draft, "launch", reason="", **wrong)
        assert draft.status == "draft", wrong
        assert "errorlist" in answer.content.decode()
    assert not AuditEntry.objects.exists()
    do(browser, draft, "launch", name="new-post", typed="1", reason="the sale")
    assert (draft.status, draft.expected) == ("scheduled", 1)
    assert draft.send_at is not None
    assert timedelta(seconds=30) < draft.send_at - timezone.now() <= timedelta(seconds=61)
    assert not plan_page(draft.pk)
    assert not Delivery.objects.exists()
    assert "Undo the launch" in text_of(browser, draft)
    assert "This cannot be done" in do(browser, draft, "launch", name="new-post", typed="1").content.decode()

    do(browser, draft, "take_back", reason="")
    assert (draft.status, draft.send_at, draft.expected) == ("draft", None, None)
    assert audited() == ["launch_broadcast", "take_back_broadcast"]
    assert AuditEntry.objects.get(action="launch_broadcast").planned == 1
    do(browser, draft, "launch", name="new-post", typed="1")
    Broadcast.objects.update(send_at=timezone.now())
    plan_page(draft.pk)
    draft.refresh_from_db()
    assert (draft.status, Delivery.objects.count()) == ("sending", 1)
    assert "This cannot be done" in do(browser, draft, "take_back").content.decode()


def test_a_broadcast_lives_as_long_whenever_it_is_launched(browser: Client, ada: Any, own_redis: None) -> None:
    later = timezone.now() + timedelta(days=3)
    made = broadcast("new-post", {"all": True}, {"title": "x"}, draft=True, ttl=3600, send_at=later)
    expires = Notification.objects.get(pk=made.notification_id).expires_at
    do(browser, made, "launch", name="new-post", typed=str(do(browser, made, "launch").context["counted"]))
    assert (made.status, made.send_at) == ("scheduled", later)
    assert Notification.objects.get(pk=made.notification_id).expires_at == expires
    soon = broadcast("new-post", {"all": True}, {"title": "x"}, draft=True, ttl=3600)
    kept = Notification.objects.get(pk=soon.notification_id).expires_at
    do(browser, soon, "launch", name="new-post", typed=str(do(browser, soon, "launch").context["counted"]))
    moved = Notification.objects.get(pk=soon.notification_id).expires_at
    assert moved == soon.send_at + timedelta(hours=1)
    do(browser, soon, "take_back", reason="")
    assert Notification.objects.get(pk=soon.notification_id).expires_at == kept


def test_cancelling_tells_what_cannot_be_recalled_and_asks_for_the_count(browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    at_work(made, pending=612004, sent=387996)
    text = do(browser, made, "cancel").content.decode()
    assert "612,004" in text
    assert "387,996" in text
    assert "cannot be recalled" in text
    do(browser, made, "cancel", reason="wrong", typed="5")
    assert made.status == "sending"
    do(browser, made, "cancel", reason="", typed="612004")
    assert made.status == "sending"
    do(browser, made, "cancel", reason="wrong", typed="612004")
    assert made.status == "cancelled"
    assert Delivery.objects.get().state == State.CANCELLED
    do(browser, made, "cancel", reason="wrong", typed="612004")
    assert audited() == ["cancel_broadcast"]


def test_looking_is_not_acting(staff: Callable[..., Client], made: Broadcast) -> None:
    looker = staff("view_broadcast")
    shown = looker.get(page(made)).content.decode()
    assert "/do/" not in shown
    assert "Bells" not in shown, "variables are personal data"
    assert "Bells" in text_of(staff("view_broadcast", "view_pii"), made)
    for action in ("pause", "cancel"):
        url = reverse("admin:carillon_broadcast_do", args=[made.pk, action])
        assert looker.get(url).status_code == 403
        assert looker.post(url, {"counted": "0", "reason": "x"}).status_code == 403
    together(looker, made, "pause", confirm="yes", reason="x")
    made.refresh_from_db()
    assert made.status == "planning"
    assert looker.get(reverse("admin:carillon_broadcast_add")).status_code == 403
    assert looker.post(page(made), {"status": "done"}).status_code == 403
    for name in ("preview", "live", "change"):
        assert staff("view_delivery").get(page(made, name)).status_code == 403
    do(staff("view_broadcast", "change_broadcast"), made, "cancel", reason="x")
    assert made.status == "cancelled"


def new_form(**more: str) -> dict[str, str]:
    given = {
        "key": str(uuid4()), "var|title": "Bells", "audience-kind": "name", "audience-name": "followers",
        "audience-followers|author_id": "7", "exclude-kind": "", "rate": "50", "ramp_up": "", "send_at": "",
    }  # fmt: skip
    return {**given, **more}


def test_a_new_one_is_looked_at_and_kept_as_a_draft_once(browser: Client, ada: Any, own_redis: None) -> None:
    url = reverse("admin:carillon_broadcast_add")
    assert "login-code" not in browser.get(url).content.decode(), "what is sensitive cannot be broadcast"
    whole, form = f"{url}?template=new-post", new_form()
    assert browser.get(whole).context["form"].template.slug == "new-post"
    looked = browser.post(whole, {**form, "do": "look"})
    assert looked.context["looked"]["members"] == 0
    assert "Nobody is in this audience" in looked.content.decode()
    assert not Broadcast.objects.exists()
    everybody = {**form, "audience-kind": "all"}
    assert browser.post(whole, {**everybody, "do": "look"}).context["looked"]["members"] >= 1
    for _ in range(2):
        answer = browser.post(whole, {**form, "exclude-kind": "users", "exclude-users": f"{ada.pk}", "do": "keep"})
        assert answer.status_code == 302
    made = Broadcast.objects.get()
    assert (made.status, made.audience, made.exclude, made.per_second) == (
        "draft", {"name": "followers", "params": {"author_id": 7}}, {"users": [str(ada.pk)]}, 50,
    )  # fmt: skip
    assert Notification.objects.get().data == {"title": "Bells"}
    assert audited() == ["draft_broadcast"]
    assert "open it anew" in browser.post(whole, {**form, "do": "keep"}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"var|title": ""}, "title"),
        ({"audience-followers|author_id": "seven"}, "author_id"),
        ({"audience-kind": "topic"}, "Say which"),
        ({"audience-kind": "topic", "audience-topic": "nothing"}, "no such topic"),
        ({"audience-kind": "broadcast", "audience-broadcast": "x"}, "no such broadcast"),
        ({"rate": "0"}, "greater than or equal"),
        ({"ramp_up": "90"}, "less than or equal"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(browser: Client, changed: dict[str, str], told: str) -> None:
    url = f"{reverse('admin:carillon_broadcast_add')}?template=new-post"
    answer = browser.post(url, {**new_form(), **changed, "do": "keep"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "errorlist" in text
    assert told in text
    assert not Broadcast.objects.exists()


def test_a_correction_goes_to_exactly_those_reached(browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    assert "Send a correction" not in text_of(browser, made)
    Delivery.objects.update(state=State.SENT, sent_at=timezone.now())
    at_work(made, sent=1)
    Broadcast.objects.update(status="done", finished_at=timezone.now())
    url = f"{reverse('admin:carillon_broadcast_add')}?correct={made.pk}"
    assert f"?correct={made.pk}" in text_of(browser, made)
    shown = browser.get(url)
    form, audience = shown.context["form"], shown.context["audience"]
    assert form["var|title"].value() == "Bells"
    assert (audience["kind"].value(), audience["broadcast"].value()) == ("broadcast", str(made.pk))
    values = new_form(**{"audience-kind": "broadcast", "audience-broadcast": str(made.pk), "do": "keep"})
    browser.post(url, values)
    correction = Broadcast.objects.get(status="draft")
    assert correction.audience == {"broadcast": str(made.pk), "state": "sent"}
    assert do(browser, correction, "launch").context["counted"] == 1


def test_dead_letters_of_a_broadcast_are_retried_from_its_page(browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    Delivery.objects.update(state=State.DEAD, reason="retries_exhausted", provider="fcm", error_code="503")
    at_work(made, dead=1)
    assert "Retry its dead letters (1)" in text_of(browser, made)
    values = {"whole": "yes", "about": str(made.pk)}
    dry = browser.post(reverse("admin:carillon_deadletter_replay"), values)
    assert dry.context["counted"] == 1


def test_one_that_is_done_is_cancelled_where_fallbacks_may_follow(browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    Delivery.objects.update(state=State.SENT, fallback_at=timezone.now() + timedelta(minutes=5))
    at_work(made, sent=1)
    Broadcast.objects.update(status="done", finished_at=timezone.now())
    assert "/do/cancel/" not in text_of(browser, made)
    Category.objects.filter(slug="news").update(fallback=["email"])
    assert "/do/cancel/" in text_of(browser, made)
    do(browser, made, "cancel", reason="wrong")
    assert made.status == "cancelled"
    assert audited() == ["cancel_broadcast"]
