"""Tallies are exact: whatever happens to deliveries, in whatever order, they say what a full count would say."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from notifications import broadcast, conf, notify
from notifications.enums import Channel, Lane, Reason, State
from notifications.flows import tallies
from notifications.flows.broadcast import plan_page
from notifications.flows.claim import claim
from notifications.flows.control import cancel_broadcast, pause, resume
from notifications.flows.declare import load_declarations
from notifications.flows.erase import erase
from notifications.flows.record import insert, record
from notifications.flows.replay import replay
from notifications.flows.status import progress_of
from notifications.flows.sweep import continue_broadcasts, expire_pending, settle_uncertain
from notifications.flows.tallies import add_up, grow_coarse, tally_older
from notifications.models import Broadcast, BroadcastTally, Delivery, Notification, Tally, Traffic
from notifications.models.delivery_queries import standing_of
from notifications.models.tally_queries import EPOCH
from notifications.rules.identity import delivery_id, new_id
from notifications.rules.standing import Change
from notifications.rules.transitions import ALLOWED, ended, parked, replayed
from notifications.sandbox.process import SandboxProcess
from project.shop.models import Follow
from project.shop.notifications import followers
from tests.live import work

pytestmark = pytest.mark.django_db
POST = {"title": "Bells"}
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
EXAMPLES = tuned(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def made() -> Broadcast:
    """A broadcast that nobody has planned yet."""
    notification = Notification.objects.create(template="new-post", category="news", version_id=1, created_at=NOW)
    return Broadcast.objects.create(notification_id=notification.pk, status="sending", audience={"all": True})


def planned(of: UUID, numbers: Iterator[int] | range, state: State = State.PENDING, **values: Any) -> list[Delivery]:
    """Return planned deliveries of a notification to people with these numbers."""
    fields = {"state": state, "reason": Reason.NEW, "due_at": NOW, "updated_at": NOW, "channel": "push", **values}
    return [
        Delivery(
            id=delivery_id(of, f"u:{number}", "push", "x"), notification_id=of, recipient=f"u:{number}", lane=3, **fields
        )
        for number in numbers
    ]


def counted(of: Broadcast) -> dict[str, int]:
    """Return a broadcast's counts by a full count of its rows."""
    Broadcast.objects.filter(pk=of.pk).update(tallied=False)
    of.refresh_from_db()
    counts = asdict(progress_of([of])[of.pk].counts)
    Broadcast.objects.filter(pk=of.pk).update(tallied=True)
    of.refresh_from_db()
    return counts


def told(of: Broadcast) -> dict[str, int]:
    """Return a broadcast's counts as its tallies tell them."""
    assert of.tallied
    return asdict(progress_of([of])[of.pk].counts)


# --- exact


@EXAMPLES
@given(data=st.data())
def test_tallies_say_what_a_count_says(made: Broadcast, data: st.DataObject) -> None:
    """Any sequence of planning, planning again, changes in time and too late, and adding up at any moment."""
    with transaction.atomic():
        for _ in range(data.draw(st.integers(1, 12), "steps")):
            take_step(made, data)
            assert told(made) == counted(made)
        transaction.set_rollback(True)


def take_step(made: Broadcast, data: st.DataObject) -> None:
    rows = list(Delivery.objects.filter(notification_id=made.notification_id).order_by("recipient"))
    step = data.draw(st.sampled_from(["plan", "change", "change", "late", "add up", "fold"]))
    if step == "plan":
        first, count = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 6))
        insert(planned(made.notification_id, range(first, first + count)))
    elif step in ("change", "late") and rows:
        chosen = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True, min_size=1))
        changes = [drawn(rows[number], data) for number in chosen]
        record(changes)
        if step == "late":
            record(changes)
    elif step == "add up":
        Tally.objects.add_up(data.draw(st.integers(1, 4)))
    elif step == "fold":
        Tally.objects.fold_broadcasts(-timedelta(minutes=5), 3)  # however young they are


def drawn(row: Delivery, data: st.DataObject) -> Change:
    """Return some change that the row may go through, or that is a replay."""
    before = standing_of(row)
    if before.state == State.DEAD and data.draw(st.booleans()):
        return Change(row.pk, before, replayed(before, NOW))
    state = data.draw(st.sampled_from(sorted(ALLOWED[before.state])))
    times = st.sampled_from([None, NOW])
    sent_at, delivered_at = data.draw(times), data.draw(times)
    tries = before.attempt + data.draw(st.integers(0, 1))
    after = replace(before, state=state, sent_at=sent_at, delivered_at=delivered_at, attempt=tries, reason=Reason.RETRY)
    return Change(row.pk, before, after)
