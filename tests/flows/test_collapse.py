"""Collapse: only the newest of what says the same thing goes out, as long as the older was not sent yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from notifications import notify
from notifications.enums import Channel, State
from notifications.models import Category, Delivery
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


def states() -> list[str]:
    """Return state and reason of every delivery, the oldest first."""
    return [":".join(filter(None, pair)) for pair in Delivery.objects.order_by("pk").values_list("state", "reason")]


def test_the_newest_replaces_what_was_not_sent_yet(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-score-001")
    for name in ("1:0", "1:1", "2:1"):
        notify(user, "new-follower", {"name": name}, collapse_key="match-7")
    work(Channel.PUSH)
    assert states() == ["skipped:replaced", "skipped:replaced", "sent"]
    sent = sandbox.client.messages(to="token-score-001")
    assert len(sent) == 1
    assert "2:1" in str(sent[0].content)


def test_what_was_sent_stays_and_the_provider_is_told_the_key(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-score-002")
    for name in ("1:0", "1:1"):
        notify(user, "new-follower", {"name": name}, collapse_key="match-7")
        work(Channel.PUSH)
    assert states() == ["sent", "sent"]
    request = sandbox.client.messages(to="token-score-002")[0].request
    assert "match-7" in str(request)


@pytest.mark.parametrize(
    ("key", "other"), [("match-7", "match-8"), ("match-7", ""), ("", "match-7")], ids=["other", "none", "new"]
)
def test_another_key_replaces_nothing(sandbox: SandboxProcess, person: Person, key: str, other: str) -> None:
    user = person("token-score-003")
    notify(user, "new-follower", {"name": "1"}, collapse_key=key)
    notify(user, "new-follower", {"name": "2"}, collapse_key=other)
    work(Channel.PUSH)
    assert states() == ["sent", "sent"]


def test_nobody_replaces_somebody_elses(sandbox: SandboxProcess, person: Person) -> None:
    for number in range(2):
        notify(person(f"token-score-1{number}"), "new-follower", {"name": "1"}, collapse_key="match-7")
    work(Channel.PUSH)
    assert states() == ["sent", "sent"]


def test_what_comes_later_does_not_replace_what_is_due_now(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-score-004")
    notify(user, "new-follower", {"name": "now"}, collapse_key="match-7")
    later = timezone.now() + timedelta(hours=1)
    notify(user, "new-follower", {"name": "later"}, collapse_key="match-7", send_at=later)
    work(Channel.PUSH)
    assert states() == ["sent", "pending:scheduled"]


def test_a_cancelled_one_replaces_nothing(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-score-005")
    notify(user, "new-follower", {"name": "1"}, collapse_key="match-7")
    newer = notify(user, "new-follower", {"name": "2"}, collapse_key="match-7")
    type(newer).objects.filter(pk=newer.pk).update(cancelled_at=timezone.now())
    work(Channel.PUSH)
    assert states() == ["sent", "cancelled"]


@pytest.mark.parametrize("state", [State.PENDING, State.SENDING, State.UNCERTAIN])
def test_one_that_has_expired_replaces_nothing(sandbox: SandboxProcess, person: Person, state: State) -> None:
    token = f"token-score-{state}"
    user = person(token)
    notify(user, "new-follower", {"name": "1"}, collapse_key="match-7")
    newer = notify(user, "new-follower", {"name": "2"}, collapse_key="match-7", ttl=60)
    # No worker came by for five minutes, or the one that did was held up.
    Delivery.objects.filter(notification_id=newer.pk).update(state=state, expires_at=Now() - timedelta(minutes=4))
    work(Channel.PUSH)
    assert states()[0] == "sent"
    assert len(sandbox.client.messages(to=token)) == 1


def test_one_that_was_sent_in_time_replaces_an_older_one_for_ever(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-score-008")
    notify(user, "new-follower", {"name": "1"}, collapse_key="match-7")
    newer = notify(user, "new-follower", {"name": "2"}, collapse_key="match-7", ttl=60)
    Delivery.objects.filter(notification_id=newer.pk).update(state=State.SENT, expires_at=Now() - timedelta(minutes=4))
    work(Channel.PUSH)
    assert states()[0] == "skipped:replaced"


def test_a_digest_that_cannot_be_read_groups_nothing(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="social").update(digest="daily 9:00")
    user = person("token-score-009")
    for name in ("1", "2"):
        notify(user, "new-follower", {"name": name}, collapse_key="match-7")
    work(Channel.PUSH)
    assert states() == ["skipped:replaced", "sent"]


def test_in_a_category_with_a_digest_the_key_groups(sandbox: SandboxProcess, person: Person) -> None:
    Category.objects.filter(slug="social").update(digest="hourly")
    user = person("token-score-006")
    for name in ("1", "2"):
        notify(user, "new-follower", {"name": name}, collapse_key="match-7")
    work(Channel.PUSH)
    assert states() == ["digested", "digested"]
