"""Dead letters: grouped by cause, seen in a dry run, replayed once however often somebody presses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.enums import Reason, State, SuppressionCause
from notifications.flows import runs
from notifications.flows.dead_letters import Choice, cause_of, groups
from notifications.flows.operate import By
from notifications.flows.replay import REPLAYS, Wanted, begin
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Delivery, Mark
from project.demo.pages import forms_in

from .conftest import killed


@pytest.fixture
def letters(ada: Any) -> list[Delivery]:
    """Three dead letters of one cause and one of another."""
    return [*(killed(ada) for _ in range(3)), killed(ada, Reason.HELD, "")]


PAGE, REPLAY, DISCARD = (
    "admin:carillon_deadletter_changelist", "admin:carillon_deadletter_replay", "admin:carillon_deadletter_discard",
)  # fmt: skip


def fields_of(page: Any) -> dict[str, str]:
    """Return what a browser would send of a page's form for acting, as it came."""
    form = next(form for form in forms_in(page.content.decode()) if "confirm" in form.fields)
    return {name: value for name, value in form.fields.items() if name != "csrfmiddlewaretoken"}


def state_of(row: Delivery) -> str:
    row.refresh_from_db()
    return row.state


def test_causes_are_counted_and_link_to_their_letters(letters: list[Delivery], browser: Client) -> None:
    found, more = groups()
    assert [(group.reason, group.code, group.template, group.count) for group in found] == [
        ("retries_exhausted", "500", "order-shipped", 3), ("held", "", "order-shipped", 1),
    ]  # fmt: skip
    assert not more
    with CaptureQueriesContext(connection) as queries:
        page = browser.get(reverse(PAGE))
    assert len(queries) <= 12
    assert "4 deliveries wait" in page.content.decode()
    for item in page.context["causes"]:
        one = browser.get(item["url"])
        assert len(one.context["letters"]) == item["group"].count


def test_dry_run_changes_nothing_and_confirming_replays_once(letters: list[Delivery], browser: Client) -> None:
    whole = {"whole": "yes", **cause_of(groups()[0][0]).values()}
    asked = browser.post(reverse(REPLAY), whole)
    assert asked.context["dry_run"].will == 3
    assert {state_of(row) for row in letters} == {State.DEAD}
    assert not AuditEntry.objects.exists()

    confirm = {**fields_of(asked), "reason": "the provider is back"}
    assert confirm["code"] == "500"
    assert browser.post(reverse(REPLAY), {**confirm, "reason": ""}).context["form"].errors
    done = browser.post(reverse(REPLAY), confirm, follow=True)
    assert "3 dead letters go out again" in done.content.decode()
    assert [(state_of(row), row.generation) for row in letters] == [*[(State.PENDING, 1)] * 3, (State.DEAD, 0)]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.reason, entry.done) == ("root", "replay", "the provider is back", 3)

    again = browser.post(reverse(REPLAY), confirm, follow=True)
    assert "3 dead letters go out again" in again.content.decode(), "the same run, told once more"
    assert AuditEntry.objects.count() == 1
    assert [row.generation for row in Delivery.objects.order_by("pk")] == [1, 1, 1, 0]


def test_dry_run_tells_what_would_not_go_out(letters: list[Delivery], browser: Client) -> None:
    suppress("email", "ada@example.com", SuppressionCause.COMPLAINT, "email")
    asked = browser.post(reverse(REPLAY), {"_selected_action": [str(row.pk) for row in letters]})
    assert asked.context["dry_run"].will == 0
    assert "suppressed after a bounce" in asked.content.decode()
    assert 'type="submit" class="default"' not in asked.content.decode()


def test_actions_on_the_delivery_list(letters: list[Delivery], browser: Client) -> None:
    page = reverse("admin:carillon_delivery_changelist") + "?state__exact=dead"
    chosen = {"action": "replay_selected", "_selected_action": [str(letters[0].pk)]}
    assert browser.post(page, chosen).context["dry_run"].will == 1
    assert state_of(letters[0]) == State.DEAD
    confirm = {**chosen, "confirm": "yes", "reason": "mended"}
    assert browser.post(page, confirm).status_code == 302
    assert state_of(letters[0]) == State.PENDING
    assert browser.post(page, confirm).status_code == 302
    letters[0].refresh_from_db()
    assert letters[0].generation == 1


def test_discard_takes_them_off_the_list(letters: list[Delivery], browser: Client) -> None:
    form = {"ids": str(letters[3].pk), "confirm": "yes", "reason": "nobody wants it"}
    browser.post(reverse(DISCARD), form)
    assert state_of(letters[3]) == State.CANCELLED
    assert AuditEntry.objects.get().action == "discard"


def test_looking_does_not_let_one_act(letters: list[Delivery], staff: Callable[..., Client]) -> None:
    form = {"ids": str(letters[0].pk), "confirm": "yes", "reason": "x"}
    looking, acting = staff("view_delivery"), staff("view_delivery", "replay")
    assert staff().get(reverse(PAGE)).status_code == 403
    text = looking.get(reverse(PAGE)).content.decode()
    assert reverse(REPLAY) not in text
    for name in (REPLAY, DISCARD):
        assert looking.post(reverse(name), form).status_code == 403
        assert acting.get(reverse(name)).status_code == 405
    page = reverse("admin:carillon_delivery_changelist")
    looking.post(page, {"action": "replay_selected", "_selected_action": [str(letters[0].pk)], **form})
    assert state_of(letters[0]) == State.DEAD
    assert acting.post(reverse(REPLAY), form).status_code == 302
    assert state_of(letters[0]) == State.PENDING


def test_a_page_of_a_filter_by_keyset_and_acting_on_all_of_it(
    letters: list[Delivery], browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.admin.dead_letters._SHOWN", 2)
    first = browser.get(reverse(PAGE), {"channel": "email", "code_begins": "5", "why": ""})
    assert [item["row"].pk for item in first.context["letters"]] == [letters[2].pk, letters[1].pk]
    second = browser.get(first.context["older"])
    assert [item["row"].pk for item in second.context["letters"]] == [letters[0].pk]
    assert not second.context["older"]
    assert browser.get(reverse(PAGE), {"channel": "email", "older": "x \x00 y"}, follow=True).status_code == 200
    asked = browser.post(reverse(REPLAY), {"whole": "yes", "code_begins": "5"})
    browser.post(reverse(REPLAY), {**fields_of(asked), "reason": "mended", "rate": "7"})
    entry = AuditEntry.objects.get()
    assert (entry.done, entry.subject, entry.detail["rate"]) == (3, "code_begins: 5", 7)
    assert entry.detail["filter"] == {"code_begins": "5"}


def test_a_wrong_filter_is_told_and_acts_on_nothing(letters: list[Delivery], browser: Client) -> None:
    page = browser.get(reverse(PAGE), {"channel": "fax", "died_from": "soon"}).content.decode()
    assert "is no channel" in page
    assert "is no time" in page
    for wrong in ({"channel": "fax"}, {}):
        form = {"whole": "yes", **wrong}
        assert browser.post(reverse(REPLAY), form).context["dry_run"].will == 0
        told = browser.post(reverse(REPLAY), {**form, "confirm": "yes", "reason": "x"}, follow=True)
        assert ("is no channel" if wrong else "is empty") in told.content.decode()
    assert not AuditEntry.objects.exists()


def test_many_ask_for_the_count_to_be_typed(
    letters: list[Delivery], browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.admin.confirm.TYPED_ABOVE", 2)
    asked = browser.post(reverse(DISCARD), {"whole": "yes", "code": "500"})
    form = {**fields_of(asked), "reason": "useless"}
    for typed in ("", "2", "x"):
        assert browser.post(reverse(DISCARD), {**form, "typed": typed}).context["form"].errors["typed"]
    assert not AuditEntry.objects.exists()
    browser.post(reverse(DISCARD), {**form, "typed": "3"})
    assert [state_of(row) for row in letters] == [*[State.CANCELLED] * 3, State.DEAD]


def test_looking_again_tries_another_rate_and_does_nothing(letters: list[Delivery], browser: Client) -> None:
    asked = browser.post(reverse(REPLAY), {"ids": str(letters[0].pk)})
    form = {**fields_of(asked), "reason": "mended", "rate": "2", "also_reached": "on", "look": "yes"}
    again = browser.post(reverse(REPLAY), form)
    assert fields_of(again)["rate"] == "2"
    assert fields_of(again)["reason"] == "mended"
    assert not AuditEntry.objects.exists()
    assert browser.post(reverse(REPLAY), {**form, "rate": "0"}).status_code == 200


def test_what_takes_long_goes_on_without_the_browser_and_can_be_stopped(
    letters: list[Delivery], browser: Client, staff: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    monkeypatch.setattr("notifications.admin.replaying._WORK_SECONDS", 0.0)
    asked = browser.post(reverse(REPLAY), {"whole": "yes", "code": "500"})
    run = browser.post(reverse(REPLAY), {**fields_of(asked), "reason": "mended"}, follow=True)
    assert "1 of 3 so far" in run.content.decode()
    assert (run.context["left"], run.context["under_way"]) == (2, True)
    url = run.redirect_chain[-1][0]
    assert url in browser.get(reverse(PAGE)).content.decode()
    looking = staff("view_delivery")
    assert looking.post(url, {"reason": "x"}).status_code == 403
    assert looking.get(url).status_code == 200
    assert staff().get(url).status_code == 403
    with CaptureQueriesContext(connection) as queries:
        browser.get(url)
    assert len(queries) <= 12
    assert browser.post(url, {"reason": ""}).context["form"].errors
    assert browser.post(url, {"reason": "wrong letters"}, follow=True).context["under_way"] is False
    assert not Mark.objects.filter(name__startswith="replay:").exists()
    assert AuditEntry.objects.get(action="stop_replay").reason == "wrong letters"
    assert (
        browser.get(reverse("admin:carillon_deadletter_run", args=[AuditEntry.objects.latest("pk").pk])).status_code
        == 404
    )


def test_a_provider_text_is_redacted_for_those_who_may_not_see_personal_data(
    ada: Any, browser: Client, staff: Callable[..., Client]
) -> None:
    row = killed(ada)
    Delivery.objects.filter(pk=row.pk).update(error_detail="mailbox ada@example.com is full")
    for client, seen in ((browser, True), (staff("view_delivery"), False)):
        for query in ({}, {"channel": "email"}):
            text = client.get(reverse(PAGE), query).content.decode()
            assert ("ada@example.com" in text) is seen
            assert "is full" in text


def test_no_dead_letters_says_so(browser: Client) -> None:
    assert "nothing waits for you" in browser.get(reverse(PAGE)).content.decode()


def test_all_of_them_can_be_replayed_at_once(letters: list[Delivery], browser: Client) -> None:
    page = browser.get(reverse(PAGE)).content.decode()
    form = next(form for form in forms_in(page) if form.fields.get("whole") == "all")
    asked = browser.post(reverse(REPLAY), form.fields)
    assert asked.context["dry_run"].will == 4
    done = browser.post(reverse(REPLAY), {**fields_of(asked), "reason": "the outage is over"}, follow=True)
    assert "4 dead letters go out again" in done.content.decode()
    assert {state_of(row) for row in letters} == {State.PENDING}
    assert AuditEntry.objects.get().detail["everything"] is True


def test_a_run_is_followed_paused_resumed_and_stopped(
    letters: list[Delivery], browser: Client, staff: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    choice = Choice(Delivery.objects.database_now(), everything=True)
    entry = begin(Wanted("replay", choice), By("root", "mended"))
    assert REPLAYS.work_on(entry.pk)
    url = reverse("admin:carillon_deadletter_run", args=[entry.pk])
    page = browser.get(url)
    text = page.content.decode()
    assert "data-live" in text
    assert "1 of 4 have had their turn" in text
    assert reverse("admin:carillon_deadletter_run", args=[entry.pk]) in browser.get(reverse(PAGE)).content.decode()

    looking = staff("view_delivery")
    assert "Pause" not in looking.get(url).content.decode()
    for act in ("pause", "resume", "stop"):
        assert looking.post(url, {"act": act, "reason": "x"}).status_code == 403
    assert browser.post(url, {"act": "pause", "reason": ""}).context["form"].errors

    said = []
    for act in ("pause", "pause", "resume", "resume", "stop", "stop"):
        done = browser.post(url, {"act": act, "reason": "T-17"}, follow=True)
        said.append(next(str(message) for message in done.context["messages"]))
        if act == "pause":
            assert "Go on" in done.content.decode()
            assert not REPLAYS.work_on(entry.pk)
    assert [text.split()[0] for text in said] == ["It", "Nothing", "It", "Nothing", "It", "Nothing"]
    assert "data-live" not in browser.get(url).content.decode()
    assert sorted(state_of(row) for row in letters) == ["dead", "dead", "dead", "pending"]
    actions = AuditEntry.objects.exclude(pk=entry.pk).order_by("pk").values_list("action", "reason")
    assert list(actions) == [("pause_replay", "T-17"), ("resume_replay", "T-17"), ("stop_replay", "T-17")]
