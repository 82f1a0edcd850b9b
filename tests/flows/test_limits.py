"""Limits that nobody can read: what is due goes out, its neighbours too, and operators are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from notifications import notify
from notifications.enums import Channel
from notifications.flows.explain import explain
from notifications.flows.requests import Request
from notifications.models import Alert, Category, Delivery
from notifications.rules.foresight import Rule
from notifications.sandbox.process import SandboxProcess
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
Commit = Callable[..., object]


def states() -> Counter[str]:
    """Count deliveries by state and reason."""
    return Counter(":".join(filter(None, pair)) for pair in Delivery.objects.values_list("state", "reason"))


def limit(throttle: str, digest: str) -> None:
    """Store limits for social messages as nobody could declare them."""
    Category.objects.filter(slug="social").update(throttle=throttle, digest=digest)


@pytest.mark.parametrize(
    ("throttle", "digest", "outcome"),
    [
        ("5 per hour", "", {"sent": 3}),
        ("", "daily 9:00", {"sent": 3}),
        ("1/hour", "daily 9:00", {"sent": 2, "pending:throttled": 1}),
        ("5 per hour", "hourly", {"sent": 1, "digested": 2}),
    ],
)
def test_a_limit_that_cannot_be_read_is_none_and_operators_are_told(
    sandbox: SandboxProcess,
    person: Person,
    django_capture_on_commit_callbacks: Commit,
    throttle: str,
    digest: str,
    outcome: dict[str, int],
) -> None:
    user = person("token-typo-0001")
    limit(throttle, digest)
    for number in range(2):
        notify(user, "new-follower", {"name": f"Ada {number}"})
    Category.objects.filter(slug="news").update(priority="normal")
    notify(user, "new-post", {"title": "Of the same lane"})
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        work(Channel.PUSH)
    assert states() == outcome
    alert = Alert.objects.get()
    assert (alert.kind, alert.subject) == ("limit_unreadable", "social")
    for text, is_fine in ((throttle, throttle in ("", "1/hour")), (digest, digest in ("", "hourly"))):
        assert is_fine or text in alert.detail


def test_a_dry_run_says_so_and_tells_nobody(person: Person, django_capture_on_commit_callbacks: Commit) -> None:
    user = person("token-typo-0002")
    limit("5 per hour", "daily 9:00")
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        told = explain(Request(user, "new-follower"))
    [line] = [line for line in told.outcomes[0].lines if line.rule is Rule.THROTTLE]
    assert "5 per hour" in line.input
    assert "daily 9:00" in line.input
    assert not Alert.objects.exists()
