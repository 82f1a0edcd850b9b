"""A digest that cannot be closed keeps no other from it, loses nothing, and operators are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

from notifications import notify
from notifications.enums import Channel
from notifications.flows import digest as digest_flow
from notifications.flows.digest import close_digests
from notifications.models import Alert, Category, Delivery, Digest, Notification
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Let no test know of another's trouble."""
    digest_flow._again_at.clear()
    yield
    digest_flow._again_at.clear()


@pytest.fixture(autouse=True)
def gathering(db: None) -> None:
    """Let the shop's social messages be gathered."""
    Category.objects.filter(slug="social").update(digest="hourly")


def states() -> Counter[str]:
    """Count deliveries by state and reason."""
    return Counter(":".join(filter(None, pair)) for pair in Delivery.objects.values_list("state", "reason"))


def gathered(*users: User) -> list[Digest]:
    """Gather a message for each of these people; return their digests, due one after the other."""
    for user in users:
        notify(user, "new-follower", {"name": "Ada"})
    work(Channel.PUSH)
    found = [Digest.objects.get(recipient=f"u:{user.pk}") for user in users]
    for number, digest in enumerate(found):
        Digest.objects.filter(pk=digest.pk).update(due_at=Now() - timedelta(minutes=len(found) - number))
    return found


def test_one_that_cannot_be_closed_holds_up_no_other(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, _ = gathered(person("token-trouble-1"), person("token-trouble-2"))
    real = digest_flow.person_of

    def broken(recipient: str, notification: Any) -> Any:
        if recipient == bad.recipient:
            raise ValueError("a secret value")
        return real(recipient, notification)

    monkeypatch.setattr(digest_flow, "person_of", broken)
    monkeypatch.setattr(digest_flow, "_MOST_DIGESTS", 1)
    # The first round meets the bad one, the second has gone on to the next.
    assert [close_digests(), close_digests(), close_digests()] == [0, 1, 0]
    assert set(Digest.objects.filter(notification_id=None)) == {bad}
    assert states() == {"digested": 2, "pending:new": 1}
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject, alert.count) == ("digest_not_closed", "social", 1)
    assert "ValueError" in alert.detail
    assert "a secret value" not in caplog.text

    monkeypatch.setattr(digest_flow, "person_of", real)
    digest_flow._again_at.update(dict.fromkeys(digest_flow._again_at, 0.0))  # its turn comes again
    assert close_digests() == 1
    assert Notification.objects.filter(digest_id=bad.pk).exists()
    assert digest_flow._again_at == {}


def test_a_line_that_cannot_be_composed_still_counts(
    sandbox: SandboxProcess, person: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gathered(person("token-trouble-3"))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret value")

    monkeypatch.setattr(digest_flow, "compose", broken)
    assert close_digests() == 1
    data = Notification.objects.get(digest_id__isnull=False).data
    assert (data["count"], data["items"][0]["title"]) == (1, "")
    assert "ZeroDivisionError" in caplog.text
    assert "a secret value" not in caplog.text


def test_without_its_category_a_digest_waits_and_operators_are_told(sandbox: SandboxProcess, person: Person) -> None:
    [digest] = gathered(person("token-trouble-4"))
    Category.objects.filter(slug="social").update(slug="renamed")
    assert close_digests() == 0
    assert Digest.objects.get().items.count() == 1
    assert states() == {"digested": 1}
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("digest_not_closed", "social")
    assert "declare it again" in alert.detail
    Category.objects.filter(slug="renamed").update(slug="social")
    digest_flow._again_at.clear()
    assert close_digests() == 1
    assert Notification.objects.get(digest_id__isnull=False).data["count"] == 1
    assert Digest.objects.get().pk == digest.pk
