"""What a browser sends back is not believed: counts, acts and keys changed on the way, and pages grown old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.enums import State
from notifications.flows import clear, replay
from notifications.flows.broadcast import plan_page
from notifications.flows.dead_letters import Choice
from notifications.flows.gate import hold
from notifications.flows.operate import By
from notifications.flows.replay import Wanted, begin
from notifications.models import AuditEntry, Broadcast, Delivery, Device, ProviderHold

from .conftest import killed, order
from .test_broadcasts import at_work, made
from .test_devices import devices

__all__ = ["devices", "made"]
pytestmark = pytest.mark.django_db
SURE = {"confirm": "yes", "reason": "because"}
WHOSE = "ada@example.com asked for it"


def url(name: str, *arguments: object) -> str:
    return reverse(f"admin:carillon_{name}", args=arguments)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one is many."""
    monkeypatch.setattr("notifications.admin.confirm.TYPED_ABOVE", 1)


@pytest.mark.parametrize("counted", ["0", "1", "1e9", "-1", "٣", "9" * 30, ""])
def test_a_count_made_small_does_not_spare_the_typing(
    few: None, ada: Any, browser: Client, devices: list[Device], counted: str
) -> None:
    for _ in range(2):
        killed(ada)
        order(ada)
    Device.objects.filter(is_active=True).update(last_seen_at=timezone.now() - timedelta(days=300))
    wrong = {**SURE, "counted": counted}
    before = list(Device.objects.order_by("pk").values_list("is_active", flat=True))
    everything = {"whole": "all", **wrong}
    waiting = {"channel": "email", "until": timezone.now().isoformat(), "action": clear.CANCEL, **wrong}
    for path, form in (
        (f"{url('device_prune')}?days=200", wrong),
        (f"{url('device_undo')}?reason=unregistered&since=2020-01-01+00:00", wrong),
        (url("deadletter_replay"), everything),
        (url("deadletter_discard"), everything),
        (url("queue_clear"), waiting),
    ):
        if "undo" in path:
            Device.objects.filter(is_active=False).update(deactivated_reason="unregistered")
        answer = browser.post(path, form)
        assert answer.status_code == 200, path
        assert answer.context["form"].errors["typed"], path
    assert list(Device.objects.order_by("pk").values_list("is_active", flat=True)) == before
    assert not Delivery.objects.filter(state=State.CANCELLED).exists()
    assert not AuditEntry.objects.exists()


def test_a_broadcast_that_grew_is_looked_at_again(few: None, browser: Client, made: Broadcast) -> None:
    plan_page(made.pk)
    at_work(made, pending=612004, sent=1)
    asked = url("broadcast_do", made.pk, "cancel")
    again = browser.post(asked, {"counted": "0", "reason": "x"})
    assert again.context["form"].errors["typed"]
    assert again.context["counted"] == 612004, "what is typed next is compared with what is shown now"
    at_work(made, pending=600000, sent=12004)
    assert browser.post(asked, {"counted": "612004", "typed": "612004", "reason": "x"}).status_code == 302


def test_a_set_that_shrank_since_it_was_shown_is_done_as_it_was_typed(few: None, ada: Any, browser: Client) -> None:
    rows = [killed(ada) for _ in range(3)]
    shown = browser.post(url("deadletter_discard"), {"whole": "all"})
    until = shown.context["until"]
    Delivery.objects.filter(pk=rows[0].pk).update(state=State.SENT)
    form = {"whole": "all", **SURE, "counted": "3", "typed": "3", "until": until}
    assert browser.post(url("deadletter_discard"), form).status_code == 302
    assert Delivery.objects.filter(state=State.CANCELLED).count() == 2


def test_an_act_that_there_is_not_does_nothing_to_a_run(ada: Any, browser: Client) -> None:
    killed(ada)
    entry = begin(Wanted(replay.REPLAY, Choice(Delivery.objects.database_now(), everything=True)), By("root", "x"))
    run = url("deadletter_run", entry.pk)
    done = browser.post(run, {"act": "speed-up", "reason": "x"}, follow=True)
    assert "Nothing was changed" in done.content.decode()
    assert done.context["under_way"] is True


def test_a_reason_may_name_somebody_and_is_masked(ada: Any, browser: Client, staff: Callable[..., Client]) -> None:
    killed(ada)
    choice = Choice(Delivery.objects.database_now(), everything=True)
    entry = begin(Wanted(replay.REPLAY, choice), By("root", WHOSE))
    hold("email", WHOSE, by="root", lasting=timedelta(minutes=5))
    held = ProviderHold.objects.get()
    looking = ("view_delivery", "view_providerhold", "add_providerhold", "delete_providerhold")
    masked, full = staff(*looking), staff(*looking, "view_pii")
    for path in (
        url("deadletter_run", entry.pk),
        url("providercard_changelist"),
        url("providercard_release", "email"),
        url("providerhold_changelist"),
        url("providerhold_change", held.pk),
    ):
        assert "asked for it" in masked.get(path).content.decode(), path
        assert "ada@example.com" not in masked.get(path).content.decode(), path
        assert "ada@example.com" in full.get(path).content.decode(), path


@pytest.mark.parametrize("key", ["9" * 5_000, "9" * 25, "-1", "0", "1'", "٩٩٩٩٩٩٩٩", "\x00"])
def test_a_key_that_no_row_has_changes_nothing(ada: Any, browser: Client, key: str) -> None:
    hold("email", "broken", by="root", lasting=timedelta(minutes=5))
    for page, action in (("providerhold", "release"), ("device", "prune"), ("apikey", "revoke"), ("alert", "release")):
        form = {**SURE, "action": action, "_selected_action": [key], "index": "0"}
        assert browser.post(url(f"{page}_changelist"), form).status_code in (200, 302), page
    killed(ada)
    for path in (url("person_lift"), url("deadletter_replay"), url("person_resend")):
        form = {**SURE, "ids": key, "notification": key, "recipient": key, "seen": key, "rate": key}
        assert browser.post(path, form).status_code in (200, 302), path
    assert ProviderHold.objects.exists()
    assert Delivery.objects.filter(state=State.DEAD).count() == 1


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("delivery", "address__startswith=ada@"), ("delivery", "address=ada@example.com"),
        ("delivery", "error_detail__icontains=a"), ("notification", "data__number=A-1042"),
        ("notification", "secrets__isnull=True"), ("device", "address__startswith=token-"),
        ("apikey", "digest__startswith=a"), ("suppression", "address_hash__startswith=a"),
        ("delivery", "state__regex=."), ("receipt", "raw__icontains=ada"), ("auditentry", "reason__icontains=ada"),
    ],
)  # fmt: skip
def test_a_list_is_filtered_by_nothing_that_it_does_not_offer(ada: Any, browser: Client, page: str, query: str) -> None:
    killed(ada)
    assert browser.get(f"{url(f'{page}_changelist')}?{query}").status_code == 400
