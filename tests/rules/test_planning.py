"""Whether, when and where one recipient is notified, and which rule speaks first."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifications.enums import Channel, Reason, State
from notifications.rules.planning import Person, Plan, Planned, Target, decide
from notifications.rules.preferences import Wishes
from notifications.rules.quiet_hours import Window
from tests.rules.standings import NOW

BERLIN, KOLKATA, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
PUSH, SMS, EMAIL = Channel.PUSH, Channel.SMS, Channel.EMAIL
TOKEN, NUMBER = Target(PUSH, "token", "h1"), Target(SMS, "+49", "h2")
# NOW is 12:00 UTC: 13:00 in Berlin, 17:30 in Kolkata.
LUNCH = Wishes(quiet_hours=(Window(frozenset(range(7)), time(12), time(14)),))
QUIET_ENDS = NOW + timedelta(hours=1)
ADA = Person("u:1", targets=(TOKEN, NUMBER), zone=BERLIN)
SLEEPER = ADA._replace(wishes=LUNCH)
PLAN = Plan("social", False, [PUSH], {PUSH, SMS}, NOW, UTC)
OPT_OUT = Wishes(channels={"push": False}, quiet_hours=LUNCH.quiet_hours)


def decided(person: Person, plan: Plan, *, suppressed: bool = False, guest: bool = True) -> list[Planned]:
    """Return the decisions."""
    return decide(person, plan, lambda _: suppressed, lambda _: guest)


# person, changes of the plan, (suppressed, guest), state, reason
EXPIRED = {"expires_at": NOW}
ROWS = [
    pytest.param(ADA, {}, (False, True), State.PENDING, Reason.NEW, id="nothing speaks against it"),
    pytest.param(
        ADA._replace(wishes=OPT_OUT, targets=()),
        {"with_words": (), **EXPIRED},
        (True, False),
        State.SKIPPED,
        Reason.NO_TEMPLATE,
        id="words come first",
    ),
    pytest.param(
        ADA._replace(wishes=OPT_OUT, targets=()),
        EXPIRED,
        (True, False),
        State.SKIPPED,
        Reason.PREFERENCE,
        id="then preference",
    ),
    pytest.param(
        SLEEPER._replace(targets=()), EXPIRED, (True, False), State.SKIPPED, Reason.NO_ADDRESS, id="then address"
    ),
    pytest.param(SLEEPER, EXPIRED, (True, False), State.SKIPPED, Reason.GUEST_LIST, id="then the guest list"),
    pytest.param(SLEEPER, EXPIRED, (True, True), State.SKIPPED, Reason.SUPPRESSION, id="then suppression"),
    pytest.param(SLEEPER, EXPIRED, (False, True), State.EXPIRED, Reason.TTL, id="then expiry"),
    pytest.param(SLEEPER, {}, (False, True), State.PENDING, Reason.QUIET_HOURS, id="then quiet hours"),
    pytest.param(
        SLEEPER, {"expires_at": QUIET_ENDS}, (False, True), State.EXPIRED, Reason.TTL, id="expiry beats deferral"
    ),
    pytest.param(
        SLEEPER,
        {"expires_at": QUIET_ENDS + timedelta(seconds=1)},
        (False, True),
        State.PENDING,
        Reason.QUIET_HOURS,
        id="it can still go out afterwards",
    ),
    pytest.param(
        SLEEPER, {"mandatory": True}, (False, True), State.PENDING, Reason.NEW, id="mandatory overrides quiet hours"
    ),
    pytest.param(
        ADA._replace(wishes=OPT_OUT),
        {"mandatory": True},
        (False, True),
        State.PENDING,
        Reason.NEW,
        id="mandatory overrides preference",
    ),
    pytest.param(ADA, {"mandatory": True}, (True, True), State.SKIPPED, Reason.SUPPRESSION, id="but never suppression"),
    pytest.param(ADA, {"mandatory": True}, (False, False), State.SKIPPED, Reason.GUEST_LIST, id="nor the guest list"),
    pytest.param(ADA, {"mandatory": True, **EXPIRED}, (False, True), State.EXPIRED, Reason.TTL, id="nor expiry"),
    pytest.param(
        ADA, {"send_at": NOW + timedelta(hours=2)}, (False, True), State.PENDING, Reason.SCHEDULED, id="scheduled"
    ),
    pytest.param(
        ADA,
        {"send_at": NOW - timedelta(hours=2)},
        (False, True),
        State.PENDING,
        Reason.NEW,
        id="scheduled for the past: now",
    ),
    pytest.param(ADA, {"send_at": NOW}, (False, True), State.PENDING, Reason.NEW, id="scheduled for this moment"),
    pytest.param(
        SLEEPER,
        {"send_at": NOW + timedelta(hours=2)},
        (False, True),
        State.PENDING,
        Reason.SCHEDULED,
        id="scheduled beyond the quiet hours",
    ),
    pytest.param(
        SLEEPER,
        {"send_at": NOW + timedelta(minutes=5)},
        (False, True),
        State.PENDING,
        Reason.QUIET_HOURS,
        id="scheduled into the quiet hours",
    ),
]


@pytest.mark.parametrize(("person", "changes", "facts", "state", "reason"), ROWS)
def test_the_order_of_the_rules(
    person: Person, changes: dict[str, Any], facts: tuple[bool, bool], state: State, reason: Reason
) -> None:
    (only,) = decided(person, replace(PLAN, **changes), suppressed=facts[0], guest=facts[1])
    assert (only.channel, only.state, only.reason) == (PUSH, state, reason)


@pytest.mark.parametrize(
    ("person", "changes", "due"),
    [
        pytest.param(ADA, {}, NOW, id="at once"),
        pytest.param(SLEEPER, {}, QUIET_ENDS, id="when the quiet hours end"),
        pytest.param(ADA, {"send_at": NOW + timedelta(hours=2)}, NOW + timedelta(hours=2), id="when asked for"),
        pytest.param(SLEEPER, {"send_at": NOW + timedelta(minutes=5)}, QUIET_ENDS, id="when both allow it"),
        pytest.param(SLEEPER, {"send_at": NOW - timedelta(days=1)}, QUIET_ENDS, id="the past does not count"),
        pytest.param(SLEEPER, {"expires_at": QUIET_ENDS}, NOW, id="expired: known now, not in the morning"),
    ],
)
def test_when_it_is_due(person: Person, changes: dict[str, Any], due: object) -> None:
    (only,) = decided(person, replace(PLAN, **changes))
    assert only.due_at == due


@pytest.mark.parametrize(
    ("device", "person", "reason", "zone"),
    [
        pytest.param(KOLKATA, BERLIN, Reason.NEW, KOLKATA, id="the device's own zone first"),
        pytest.param(BERLIN, KOLKATA, Reason.QUIET_HOURS, BERLIN, id="even if the person lives elsewhere"),
        pytest.param(None, BERLIN, Reason.QUIET_HOURS, BERLIN, id="else the person's"),
        pytest.param(None, None, Reason.QUIET_HOURS, UTC, id="else the project's"),
    ],
)
def test_whose_clock_counts(device: ZoneInfo | None, person: ZoneInfo | None, reason: Reason, zone: ZoneInfo) -> None:
    somebody = SLEEPER._replace(zone=person, targets=(TOKEN._replace(zone=device),))
    (only,) = decided(somebody, PLAN)
    assert (only.reason, only.zone) == (reason, zone)


def test_each_device_is_decided_by_itself_in_the_order_of_the_channels() -> None:
    other = Target(PUSH, "other", "h3")
    person = ADA._replace(targets=(NUMBER, TOKEN, other))
    found = decide(person, replace(PLAN, channels=[SMS, EMAIL, PUSH]), lambda target: target is other, lambda _: True)
    assert [(item.channel, item.target, item.reason) for item in found] == [
        (SMS, NUMBER, Reason.NEW),
        (EMAIL, None, Reason.NO_TEMPLATE),
        (PUSH, TOKEN, Reason.NEW),
        (PUSH, other, Reason.SUPPRESSION),
    ]


def test_no_channel_no_decision() -> None:
    assert decided(ADA, replace(PLAN, channels=[])) == []


TEXTED = Target(SMS, "+4915112345678", "h4")


@pytest.mark.parametrize(
    ("countries", "channel", "facts", "reason"),
    [
        pytest.param(None, SMS, (False, True), Reason.NEW, id="anywhere"),
        pytest.param({"49"}, SMS, (False, True), Reason.NEW, id="a country that is named"),
        pytest.param({"43"}, SMS, (False, True), Reason.LIMIT, id="a country that is not"),
        pytest.param({"43"}, SMS, (True, True), Reason.LIMIT, id="before suppression"),
        pytest.param({"49"}, SMS, (True, True), Reason.SUPPRESSION, id="which is asked next"),
        pytest.param({"43"}, SMS, (False, False), Reason.GUEST_LIST, id="after the guest list"),
        pytest.param({"43"}, PUSH, (False, True), Reason.NEW, id="a push goes anywhere"),
    ],
)
def test_sms_go_to_the_countries_that_are_named(
    countries: set[str] | None, channel: Channel, facts: tuple[bool, bool], reason: Reason
) -> None:
    person = ADA._replace(targets=(TOKEN, TEXTED))
    plan = replace(PLAN, channels=[channel], sms_countries=countries)
    (only,) = decided(person, plan, suppressed=facts[0], guest=facts[1])
    assert only.reason == reason
