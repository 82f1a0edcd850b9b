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
from notifications.flows.dead_letters import cause_of, groups
from notifications.flows.suppress import suppress
from notifications.models import AuditEntry, Delivery

from .conftest import killed


@pytest.fixture
def letters(ada: Any) -> list[Delivery]:
    """Three dead letters of one cause and one of another."""
    return [*(killed(ada) for _ in range(3)), killed(ada, Reason.HELD, "")]


PAGE, REPLAY, DISCARD = (
    "admin:carillon_deadletter_changelist", "admin:carillon_deadletter_replay", "admin:carillon_deadletter_discard",
)  # fmt: skip


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

    confirm = {"ids": " ".join(asked.context["keys"]), "confirm": "yes", "reason": "the provider is back"}
    assert browser.post(reverse(REPLAY), {**confirm, "reason": ""}).context["form"].errors
    done = browser.post(reverse(REPLAY), confirm, follow=True)
    assert "3 dead letters go out again" in done.content.decode()
    assert [(state_of(row), row.generation) for row in letters] == [*[(State.PENDING, 1)] * 3, (State.DEAD, 0)]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.reason, entry.done) == ("root", "replay", "the provider is back", 3)

    again = browser.post(reverse(REPLAY), confirm, follow=True)
    assert "Nothing was left to replay" in again.content.decode()
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


def test_no_dead_letters_says_so(browser: Client) -> None:
    assert "nothing waits for you" in browser.get(reverse(PAGE)).content.decode()
