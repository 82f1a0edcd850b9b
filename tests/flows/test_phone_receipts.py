"""A phone reports what no push service tells: with the token that came with the message, and with nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import notify
from notifications.channels import SPECS
from notifications.enums import Channel, State
from notifications.messages import OutboundMessage
from notifications.models import Delivery, DeliveryEvent, Receipt
from notifications.providers.apns import payload
from notifications.rules.push_payload import MOST_BYTES
from notifications.rules.receipt_tokens import DAYS, receipt_token
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
_numbers = itertools.count(1)
NOW = datetime.now(UTC)


def report(token: str, event: object = "delivered", **body: object) -> Any:
    """Report as an app does: without a key, a session or a CSRF token."""
    client = Client(enforce_csrf_checks=True)
    whole = json.dumps({"event": event, **body})
    return client.post(f"/api/v1/receipts/{token}/", whole, content_type="application/json")


@dataclass
class Pushed:
    """A push message that FCM took, and what its phone got of it."""

    delivery: Delivery
    data: dict[str, str]

    @property
    def token(self) -> str:
        return self.data["carillon_receipt"]

    def state(self) -> str:
        """Return the state after workers have read what was reported."""
        work()
        self.delivery.refresh_from_db()
        return self.delivery.state


@pytest.fixture
def pushed(sandbox: SandboxProcess, person: Callable[..., User]) -> Pushed:
    address = f"token-phone-{next(_numbers)}"
    notification = notify(person(address), "new-follower", {"name": "A"})
    work()
    delivery = notification.deliveries.get(channel="push")
    assert delivery.state == State.SENT
    [message] = sandbox.client.messages(to=address)
    return Pushed(delivery, dict(message.content["data"]))


def test_a_phone_reports_that_a_message_arrived_and_was_opened(pushed: Pushed) -> None:
    answer = report(pushed.token)
    assert (answer.status_code, answer.content) == (204, b"")
    assert pushed.state() == "delivered"
    assert report(pushed.token, "opened").status_code == 204
    assert pushed.state() == "opened"
    assert report(pushed.token, "delivered").status_code == 204
    assert pushed.state() == "opened"


def test_the_token_says_nothing_of_anybody(pushed: Pushed) -> None:
    assert pushed.data["carillon_id"] == f"{pushed.delivery.pk}.1"
    assert pushed.token == receipt_token(pushed.delivery.pk, 1, datetime.now(UTC))
    assert len(pushed.token) == 48


def test_a_thousand_repetitions_are_one_receipt(pushed: Pushed) -> None:
    for _ in range(30):
        assert report(pushed.token).status_code == 204
    assert pushed.state() == "delivered"
    assert Receipt.objects.filter(delivery_id=pushed.delivery.pk).count() == 1
    assert DeliveryEvent.objects.filter(delivery=pushed.delivery, detail="receipt").count() <= 1


def changed(token: str, at: int) -> str:
    """Return the token with one letter changed."""
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def test_no_other_token_opens_anything(pushed: Pushed, django_assert_num_queries: Any) -> None:
    over = datetime.now(UTC) - timedelta(days=DAYS + 2)
    wrong = [*(changed(pushed.token, at) for at in range(48)), "x", "é", "A" * 48, pushed.data["carillon_id"]]
    wrong.append(receipt_token(pushed.delivery.pk, 1, over))
    with django_assert_num_queries(0):
        for token in wrong:
            answer = report(token)
            assert answer.status_code == 404, token
            assert answer["Content-Type"] == "application/problem+json"
    assert report(receipt_token(uuid4(), 1, datetime.now(UTC))).status_code == 404
    assert not Receipt.objects.exists()
    assert pushed.state() == "sent"


def test_a_token_of_an_attempt_that_was_never_made_settles_nothing(pushed: Pushed) -> None:
    assert report(receipt_token(pushed.delivery.pk, 2, datetime.now(UTC))).status_code == 204
    assert pushed.state() == "sent"


@pytest.mark.parametrize(
    "body",
    [{}, {"event": "clicked"}, {"event": 1}, {"event": None}, {"event": "opened", "more": 1}, [], "opened", None],
)
def test_only_what_a_phone_can_know_is_taken(pushed: Pushed, body: object) -> None:
    answer = Client().post(f"/api/v1/receipts/{pushed.token}/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not Receipt.objects.exists()


def test_nothing_changes_by_looking(pushed: Pushed) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        assert Client().generic(method, f"/api/v1/receipts/{pushed.token}/").status_code == 405
    large = Client().post(f"/api/v1/receipts/{pushed.token}/", b" " * 2_000, content_type="application/json")
    assert large.status_code == 413
    assert not Receipt.objects.exists()


def test_an_older_attempt_that_arrived_counts_after_a_replay_too(pushed: Pushed) -> None:
    Delivery.objects.filter(pk=pushed.delivery.pk).update(attempt=2, provider="")
    DeliveryEvent.objects.create(
        delivery=pushed.delivery, at=NOW, attempt=1, state=State.SENT, provider=pushed.delivery.provider
    )
    assert report(pushed.token, "opened").status_code == 204
    Delivery.objects.filter(pk=pushed.delivery.pk).update(provider="apns")
    assert pushed.state() == "opened"


def test_a_report_costs_one_look_and_one_insert(pushed: Pushed, django_assert_max_num_queries: Any) -> None:
    report(pushed.token)
    with django_assert_max_num_queries(6):  # the delivery; begin, the time, what is there, the receipt, commit
        report(pushed.token, "opened")


@pytest.mark.parametrize("letter", ["a", "漢", "😀", '"'])
def test_the_largest_message_still_fits_with_its_token(letter: str) -> None:
    content = SPECS[Channel.PUSH].content(
        {"title": "t", "body": letter * 5_000, "url": "https://e.example/", "data.k": "v"}
    )
    message = OutboundMessage(
        uuid4(),
        32_000,
        1,
        Channel.PUSH,
        "address",
        content,
        high_priority=True,
        receipt_token=receipt_token(uuid4(), 32_000, NOW),
    )
    assert MOST_BYTES - 250 < len(payload(message)) <= MOST_BYTES
