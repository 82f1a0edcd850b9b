"""What planning promises, whatever wishes, zones and clocks: nobody is woken, nothing is lost, twice asked is once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from notifications.declarations.limits import Schedule, Throttle
from notifications.enums import Channel, Reason, State
from notifications.rules.digests import Item, Line, summary
from notifications.rules.planning import Person, Plan, Planned, Target, decide, when
from notifications.rules.preferences import Wishes
from notifications.rules.quiet_hours import Window
from notifications.rules.throttling import Admission, admit, digest_at, throttle_window

ZONES = st.sampled_from([
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Pacific/Apia",
    "Asia/Kolkata", "Asia/Kathmandu", "Antarctica/Troll", "America/Havana", "America/St_Johns", "UTC",
]).map(ZoneInfo)  # fmt: skip
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
WINDOWS = st.lists(
    st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), CLOCKS, CLOCKS).filter(
        lambda window: window.start != window.end
    ),
    max_size=6,
).map(tuple)
CHANGES = [
    "2026-10-25T01:00", "2027-03-28T01:00", "2026-11-01T06:00", "2027-03-14T07:00", "2026-10-03T15:30",
    "2027-04-03T15:00", "2026-09-06T04:00", "2026-04-05T03:00", "2026-02-15T02:00", "2026-03-22T02:00",
    "2011-12-30T10:00", "2026-03-29T01:00", "2026-11-01T05:00",
]  # fmt: skip
MOMENTS = st.one_of(
    st.builds(
        lambda change, seconds: datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(seconds=seconds),
        st.sampled_from(CHANGES),
        st.integers(-130_000, 130_000),
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
)
SPANS = st.none() | st.builds(timedelta, seconds=st.integers(-3_600, 10 * 86_400))
CHANNELS = st.lists(st.sampled_from(list(Channel)), unique=True)
DEVICES = [str(UUID(int=number)) for number in range(1, 4)]
SWITCHES = st.dictionaries(st.sampled_from([channel.value for channel in Channel]), st.booleans())
WISHES = st.builds(
    Wishes,
    channels=SWITCHES,
    categories=st.dictionaries(st.sampled_from(["social", "orders"]), SWITCHES),
    devices=st.dictionaries(st.sampled_from(DEVICES), st.booleans()),
    quiet_hours=WINDOWS,
)
TARGETS = st.lists(
    st.builds(
        Target,
        channel=st.sampled_from(list(Channel)),
        address=st.sampled_from(["a", "b", "c"]),
        address_hash=st.just(""),
        device_id=st.none() | st.sampled_from(DEVICES),
        zone=st.none() | ZONES,
    ),
    max_size=5,
).map(tuple)
PEOPLE = st.builds(Person, st.just("u:1"), wishes=WISHES, targets=TARGETS, zone=st.none() | ZONES)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw what planning knows of a message."""
    now = draw(MOMENTS)
    send_in, expires_in = draw(SPANS), draw(SPANS)
    return Plan(
        "social", draw(st.booleans()), draw(CHANNELS), draw(st.frozensets(st.sampled_from(list(Channel)))), now,
        draw(ZONES), None if send_in is None else now + send_in, None if expires_in is None else now + expires_in,
    )  # fmt: skip


def is_quiet(windows: tuple[Window, ...], moment: datetime, where: ZoneInfo) -> bool:
    """Whether a moment is quiet, said once more in other words than the rule's: minute by minute of a week."""
    wall = moment.astimezone(where)
    minute = wall.weekday() * 1_440 + wall.hour * 60 + wall.minute
    return any(minute in covered(window) for window in windows)


def covered(window: Window) -> set[int]:
    """Return the minutes of a week, from Monday's midnight, that a window covers."""
    start, end = (clock.hour * 60 + clock.minute for clock in (window.start, window.end))
    length = (end - start) % 1_440
    return {(day * 1_440 + start + passed) % 10_080 for day in window.days for passed in range(length)}


def is_always_quiet(windows: tuple[Window, ...]) -> bool:
    """Whether a week has no minute that is not quiet."""
    return len(set().union(*map(covered, windows))) == 10_080


@given(PEOPLE, plans(), st.frozensets(st.sampled_from("abc")), st.frozensets(st.sampled_from("abc")))
def test_nobody_is_written_to_in_their_quiet_hours_unless_it_is_mandatory(
    person: Person, plan: Plan, suppressed: frozenset[str], guests: frozenset[str]
) -> None:
    quiet = person.wishes.quiet_hours
    for item in decided(person, plan, suppressed, guests):
        if item.state == State.PENDING and not plan.mandatory and is_quiet(quiet, item.due_at, item.zone):
            # Only who is quiet for a week on end is asked about again while it is quiet: then it is deferred once more.
            assert item.due_at == start_of(plan) + timedelta(days=7)
            assert when(person, replace(plan, now=item.due_at, expires_at=None), item.zone)[1] == Reason.QUIET_HOURS
            assert is_always_quiet(quiet) or has_change(item.zone, start_of(plan))


@given(PEOPLE, plans(), st.frozensets(st.sampled_from("abc")), st.frozensets(st.sampled_from("abc")))
def test_nothing_is_lost(person: Person, plan: Plan, suppressed: frozenset[str], guests: frozenset[str]) -> None:
    found = decided(person, plan, suppressed, guests)
    for channel in plan.channels:
        mine = [item for item in found if item.channel == channel]
        reached = [target for target in person.targets if target.channel == channel]
        nobody = len(mine) == 1 and mine[0].target is None and mine[0].state == State.SKIPPED
        assert nobody or [item.target for item in mine] == reached
    assert {item.channel for item in found} == set(plan.channels)
    assert all(item.reason != Reason.NONE for item in found)
    for item in found:
        if item.state == State.PENDING:
            assert plan.now <= start_of(plan) <= item.due_at <= start_of(plan) + timedelta(days=10)
            assert (item.due_at > plan.now) == (item.reason in (Reason.SCHEDULED, Reason.QUIET_HOURS))
            assert plan.expires_at is None or item.due_at < plan.expires_at


@given(PEOPLE, plans(), ZONES)
def test_expiry_beats_deferral_and_nothing_else_does(person: Person, plan: Plan, zone: ZoneInfo) -> None:
    state, reason, due = when(person, plan, zone)
    without = when(person, replace(plan, expires_at=None), zone)
    if plan.expires_at is None or without[2] < plan.expires_at:
        assert (state, reason, due) == without
    else:
        assert (state, reason, due) == (State.EXPIRED, Reason.TTL, plan.now)


@given(PEOPLE, plans(), ZONES, st.floats(0, 1, exclude_max=True))
def test_a_deferral_asked_about_again_is_the_same_and_ends(
    person: Person, plan: Plan, zone: ZoneInfo, passed: float
) -> None:
    state, _, due = when(person, plan, zone)
    assert when(person, plan, zone)[2] == due
    if state != State.PENDING or is_quiet(person.wishes.quiet_hours, due, zone):
        return
    assert when(person, replace(plan, now=due), zone) == (State.PENDING, Reason.NEW, due)
    # Meanwhile the answer stays, unless the clocks change in between and the day gets hours that nobody asked about.
    between = plan.now + (due - plan.now) * passed
    if not has_change(zone, plan.now) and due < plan.now + timedelta(days=7):
        assert when(person, replace(plan, now=between), zone)[2] <= due


@given(st.lists(MOMENTS, min_size=1, max_size=20), ZONES, st.none() | CLOCKS)
def test_each_gathered_item_goes_into_exactly_one_digest(
    moments: list[datetime], where: ZoneInfo, daily: time | None
) -> None:
    schedule = Schedule(daily)
    for moment in moments:
        due = digest_at(schedule, moment, where)
        assert due > moment
        # Whoever joins between then and its close joins the same; whoever joins as it closes joins the next.
        assert digest_at(schedule, moment + (due - moment) / 2, where) == due
        assert digest_at(schedule, due - timedelta(microseconds=1), where) == due
        assert digest_at(schedule, due, where) > due


@given(MOMENTS, ZONES, st.sampled_from(["minute", "hour", "day"]))
def test_throttle_windows_leave_no_gap_and_do_not_overlap(moment: datetime, where: ZoneInfo, per: str) -> None:
    throttle = Throttle(1, per)
    span = throttle_window(throttle, moment, where)
    assert span.start <= moment < span.end
    for inside in (span.start, span.start + (span.end - span.start) / 2, span.end - timedelta(microseconds=1)):
        assert throttle_window(throttle, inside, where) == span
    assert throttle_window(throttle, span.end, where).start == span.end
    assert throttle_window(throttle, span.start - timedelta(microseconds=1), where).end == span.start


@given(
    st.lists(st.integers(0, 12), max_size=30), st.none() | st.integers(1, 5), st.none() | st.just(Schedule())
)  # fmt: skip
def test_a_window_admits_as_many_as_it_says_and_gives_every_other_one_a_place(
    asked: list[int], most: int | None, schedule: Schedule | None
) -> None:
    throttle = None if most is None else Throttle(most, "hour")
    admitted: list[UUID] = []
    answers: dict[int, set[Admission]] = {}
    for number in asked:
        answer = admit(UUID(int=number), admitted, throttle, schedule)
        answers.setdefault(number, set()).add(answer)
        if answer == Admission.SEND and UUID(int=number) not in admitted:
            admitted.append(UUID(int=number))
    # A notification that asks again, with its next device or retry, hears what it heard before.
    assert all(len(heard) == 1 for heard in answers.values())
    if throttle is not None:
        assert len(admitted) == min(throttle.most, len(set(asked)))
    rest = Admission.DEFER if schedule is None else Admission.DIGEST
    assert all(heard == {rest} for number, heard in answers.items() if UUID(int=number) not in admitted)


KINDS = st.tuples(st.sampled_from("xy"), st.sampled_from(["", "a", "b"]))


@given(st.lists(KINDS, max_size=40))
def test_a_digest_counts_each_of_its_items_once(kinds: list[tuple[str, str]]) -> None:
    items = [Item(number, *kind) for number, kind in enumerate(kinds)]
    told = summary(items, lambda shown: {number: Line(str(number)) for number in shown})
    shown = told["items"]
    assert isinstance(shown, list)
    assert told["count"] == len(items)
    assert sum(item["count"] for item in shown) + int(str(told["more"])) == len(items)
    assert not items or shown[0]["title"] == str(items[-1].id)
    newest_first = [int(item["title"]) for item in shown]
    assert newest_first == sorted(set(newest_first), reverse=True)


def decided(person: Person, plan: Plan, suppressed: frozenset[str], guests: frozenset[str]) -> list[Planned]:
    """Return the decisions."""
    return decide(person, plan, lambda target: target.address in suppressed, lambda address: address in guests)


def start_of(plan: Plan) -> datetime:
    """Return when the message may go out at the earliest."""
    return max(plan.now, plan.send_at) if plan.send_at else plan.now


def has_change(zone: ZoneInfo, moment: datetime) -> bool:
    """Whether the clocks change within the next ten days."""
    return len({(moment + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-24, 240)}) > 1
