"""The one public signal tells of each delivery that changed, after commit and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifications import delivery_changed, notify
from notifications.flows.declare import load_declarations
from notifications.sandbox.process import SandboxProcess
from tests.live import work


@pytest.fixture
def told() -> Iterator[list[tuple[str, str]]]:
    """What a host's receiver was told."""
    heard: list[tuple[str, str]] = []

    def receiver(*, state: str, reason: str, **_: object) -> None:
        heard.append((state, reason))

    delivery_changed.connect(receiver)
    yield heard
    delivery_changed.disconnect(receiver)


@pytest.mark.django_db(transaction=True)
def test_it_comes_after_commit_and_never_for_what_was_rolled_back(
    sandbox: SandboxProcess, person: Callable[..., User], told: list[tuple[str, str]]
) -> None:
    load_declarations()
    user = person("token-signal-01")
    with transaction.atomic():
        notify(user, "new-follower", {"name": "A"})
        transaction.set_rollback(True)
    assert told == []
    with transaction.atomic():
        notify(user, "new-follower", {"name": "A"})
        assert told == []
    work()
    assert told == [("pending", "new"), ("sending", ""), ("sent", "")]
