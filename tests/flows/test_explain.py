"""Explain: what the dry run foresees is what then happens, and the dry run leaves no trace."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from notifications import Address, notify
from notifications.enums import Reason, State, SuppressionCause
from notifications.exceptions import InvalidData, UnknownRecipient, UnknownTemplate
from notifications.flows import gate
from notifications.flows.explain import Explanation, explain, somebody
from notifications.flows.requests import Request
from notifications.flows.suppress import suppress
from notifications.flows.sweep import consider_fallbacks
from notifications.models import Category, Delivery, Device, Preference, Suppression
from notifications.rules.foresight import Rule, Verdict
from notifications.sandbox.process import SandboxProcess
from notifications.wakeups import connection as redis_of
from tests.live import work

pytestmark = pytest.mark.django_db
Person = Callable[..., User]
DATA = {"product": "Bell"}
ZONES = ["Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "UTC"]


def choose_world(dice: random.Random, user: User, settings: Any) -> dict[str, Any]:
    """Put a category, a recipient's wishes and providers into some state; return the options of the call."""
    now = timezone.now()
    Category.objects.filter(slug="alerts").update(
        mandatory=dice.random() < 0.2,
        channels=dice.choice([["push"], ["push"], ["push", "sms"], ["push", "email"], ["sms"]]),
        fallback=dice.choice([["email"], ["email"], []]),
        throttle=dice.choice(["", "", "1/hour", "2/day"]),
        digest=dice.choice(["", "", "hourly", "daily 09:00"]),
        ttl=dice.choice([None, None, timedelta(hours=1), timedelta(hours=6)]),
    )
    start = now.astimezone(UTC) + timedelta(hours=dice.randint(-12, 12), minutes=dice.randint(2, 50))
    window = {"start": f"{start:%H:%M}", "end": f"{start + timedelta(minutes=dice.randint(31, 900)):%H:%M}"}
    tokens = list(Device.objects.filter(user=user))
    Preference.objects.create(
        recipient=f"u:{user.pk}",
        time_zone=dice.choice(ZONES),
        quiet_hours=[window] if dice.random() < 0.5 else [],
        channels={"email": False} if dice.random() < 0.2 else {},
        categories={"alerts": {"push": False}} if dice.random() < 0.15 else {},
        devices={str(tokens[0].pk): False} if tokens and dice.random() < 0.25 else {},
    )
    if dice.random() < 0.2:
        ends = dice.choice([None, now - timedelta(hours=1), now + timedelta(hours=1)])
        suppress("email", user.email, SuppressionCause.MANUAL, "test", expires_at=ends)
    if tokens and dice.random() < 0.2:
        suppress("push", tokens[-1].address, SuppressionCause.MANUAL, "test")
    gate.end_hold("fcm")
    if dice.random() < 0.2:
        gate.hold("fcm", "test", by="test", lasting=timedelta(hours=1))
    only = [item.address for item in tokens[:1]] + ["elsewhere.example"] if dice.random() < 0.15 else None
    routes = dice.choice([{}, {}, {}, {"push": []}])
    base = settings.NOTIFICATIONS
    settings.NOTIFICATIONS = {**base, "ONLY_TO": only, "ROUTES": {**base["ROUTES"], **routes}}
    options: dict[str, Any] = {}
    if dice.random() < 0.2:
        options["send_at"] = now.replace(second=0, microsecond=0) + timedelta(hours=dice.randint(1, 20))
    if dice.random() < 0.2:
        options["ttl"] = timedelta(minutes=dice.randint(5, 600))
    return options


def foreseen(told: Explanation) -> list[tuple[object, ...]]:
    """Return what a dry run says in the form of what is recorded; what would go out is sent by the sandbox."""
    return sorted(
        (
            item.channel.value,
            str(item.device_id or item.address),
            item.step,
            (State.SENT if item.state == State.SENDING else item.state).value,
            item.reason.value,
            item.due_at.isoformat() if item.state == State.PENDING else "",
            item.provider if item.state == State.SENDING else "",
        )
        for item in told.outcomes
    )


def recorded() -> list[tuple[object, ...]]:
    """Return what was recorded."""
    return sorted(
        (
            row.channel,
            str(row.device_id or row.address),
            row.step,
            row.state,
            row.reason,
            row.due_at.astimezone(UTC).isoformat() if row.state == State.PENDING else "",
            row.provider if row.state == State.SENT else "",
        )
        for row in Delivery.objects.all()
    )


def in_one_minute(begun: datetime) -> bool:
    """Whether no minute has ended since: windows, zones and times to live end with one."""
    return begun.replace(second=0, microsecond=0) == timezone.now().replace(second=0, microsecond=0)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(12, 50))])
def test_what_is_foreseen_is_what_happens(sandbox: SandboxProcess, person: Person, settings: Any, seed: int) -> None:
    dice = random.Random(seed)
    user = person(*[f"token-{seed}-{number}" for number in range(dice.randint(0, 3))])
    options = choose_world(dice, user, settings)
    for _ in range(3):
        # Several in a row: throttle windows and digests fill.
        Delivery.objects.all().delete()
        begun = timezone.now()
        told = foreseen(explain(Request(user, "price-alert", **options)))
        notify(user, "price-alert", DATA, **options)
        work()
        consider_fallbacks()
        work()
        if in_one_minute(begun):
            assert told == recorded()
            assert told


def everything() -> dict[str, object]:
    """Return every row of every table, and every key of Redis."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
        found: dict[str, object] = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')
            found[table] = cursor.fetchall()
    redis = redis_of("push")
    found["redis"] = {key: (redis.dump(key), redis.ttl(key) > 0) for key in redis.keys("*")}
    return found


def test_a_dry_run_leaves_no_trace(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-trace-001")
    Category.objects.filter(slug="alerts").update(throttle="1/hour", digest="hourly")
    notify(user, "price-alert", DATA)
    work()
    for force in ("closed", "open"):
        gate.breaker("fcm")._storage.step("force", force)
        gate.breaker("fcm").state()
        before = everything()
        assert explain(Request(user, "price-alert")).outcomes[0].state == State.DIGESTED
        assert explain(Request(user, "new-follower")).outcomes
        assert everything() == before
    redis_of("push").flushdb()
    explain(Request(user, "new-follower"))
    assert not redis_of("push").keys("carillon:breaker:*")
    notify(user, "new-follower", {"name": "Ada"})  # the connection takes writes again


def test_an_open_breaker_is_foreseen(sandbox: SandboxProcess, person: Person) -> None:
    user = person("token-open-001")
    gate.breaker("fcm")._storage.step("force", "open")
    told = explain(Request(user, "price-alert")).outcomes[0]
    assert (told.state, told.reason, told.provider) == (State.PENDING, Reason.BREAKER_OPEN, "fcm")
    assert told.fallback_at is not None
    later = explain(Request(user, "price-alert"), timezone.now() + timedelta(hours=1)).outcomes[0]
    assert later.state == State.SENDING


def test_at_another_moment(person: Person) -> None:
    user = person("token-moment-1", zone="Asia/Kolkata")
    Preference.objects.create(recipient=f"u:{user.pk}", quiet_hours=[{"start": "22:00", "end": "07:00"}])
    day = timezone.now().date() + timedelta(days=3)
    night = datetime(day.year, day.month, day.day, 3)  # theirs, since it has no zone
    told = explain(Request(user, "new-follower"), night)
    assert told.at.utcoffset() == timedelta(hours=5, minutes=30)
    (outcome,) = told.outcomes
    assert (outcome.state, outcome.reason) == (State.PENDING, Reason.QUIET_HOURS)
    assert outcome.due_at == datetime(day.year, day.month, day.day, 1, 30, tzinfo=UTC)
    said = {line.rule: line for line in outcome.lines}
    assert "22:00–07:00 (Asia/Kolkata)" in said[Rule.QUIET_HOURS].input
    assert said[Rule.QUIET_HOURS].verdict is Verdict.WAITS
    assert said[Rule.ROUTE].verdict is Verdict.NOT_ASKED
    assert explain(Request(user, "login-code"), night).outcomes[0].state == State.SENDING


def test_a_suppression_that_will_have_run_out(person: Person) -> None:
    user = person("token-out-001")
    device = Device.objects.get()
    ends = timezone.now() + timedelta(hours=2)
    suppress("push", device.address, SuppressionCause.MANUAL, "root", expires_at=ends)
    now, later = (explain(Request(user, "new-follower"), at) for at in (None, ends + timedelta(minutes=1)))
    assert now.outcomes[0].reason == Reason.SUPPRESSION
    (line,) = (item for item in now.outcomes[0].lines if item.rule is Rule.SUPPRESSION)
    assert line.setting is not None
    assert line.setting.key == str(Suppression.objects.get().pk)
    assert "root" in line.input
    assert later.outcomes[0].state == State.SENDING


def test_somebody_without_an_account(db: None) -> None:
    notify(Address(email="guest@example.com"), "order-shipped", {"number": "1", "total": 1.5, "items": []})
    key = Delivery.objects.get().recipient
    assert somebody(key, key) is None
    found = somebody(key, "Guest@example.com")
    assert found is not None
    (outcome,) = explain(Request(found, "order-shipped")).outcomes
    assert (outcome.address, outcome.state) == ("Guest@example.com", State.SENDING)
    assert not any("guest@" in line.input.lower() for line in outcome.lines)


def test_what_cannot_be_foreseen_is_refused(person: Person) -> None:
    user = person()
    with pytest.raises(UnknownTemplate):
        explain(Request(user, "nonsense"))
    with pytest.raises(UnknownRecipient):
        explain(Request("nobody", "new-follower"))
    with pytest.raises(InvalidData) as refused:
        explain(Request(user, "new-follower", channels=("sms",)), timezone.now() - timedelta(hours=1))
    assert [problem.pointer for problem in refused.value.problems] == ["/channels", "/at"]
    assert notify(user, "new-follower", {"name": "Ada"})
