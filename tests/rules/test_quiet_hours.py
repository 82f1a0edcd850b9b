"""Quiet hours defer to the first allowed minute, whatever the clocks do; each row says why."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise, permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.quiet_hours import Window, first_allowed, parse_windows, zone

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
KOLKATA, KATHMANDU, LORD_HOWE, CAIRO = "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo"
ALWAYS = frozenset(range(7))
NIGHT = ("22:00", "07:00")
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)


def quiet(*windows: tuple[object, ...]) -> tuple[Window, ...]:
    """Return windows given as (start, end) or (start, end, days)."""
    return tuple(
        Window(frozenset(rest[0]) if rest else ALWAYS, time.fromisoformat(start), time.fromisoformat(end))  # type: ignore[arg-type,call-overload]
        for start, end, *rest in windows
    )


def utc(text: str) -> datetime:
    """Return a moment given in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# (zone, windows, moment in UTC, first allowed moment in UTC)
CASES = {
    "before the window": (BERLIN, quiet(NIGHT), "2026-11-22 20:59", "2026-11-22 20:59"),
    "its first second is quiet": (BERLIN, quiet(NIGHT), "2026-11-22 21:00", "2026-11-23 06:00"),
    "its end is allowed": (BERLIN, quiet(NIGHT), "2026-11-23 06:00", "2026-11-23 06:00"),
    "one second before its end": (BERLIN, quiet(NIGHT), "2026-11-23 05:59:59", "2026-11-23 06:00"),
    "after midnight it is still the same night": (BERLIN, quiet(NIGHT), "2026-11-22 23:30", "2026-11-23 06:00"),
    "within one day": (BERLIN, quiet(("12:00", "14:00")), "2026-11-22 12:30", "2026-11-22 13:00"),
    "to midnight": (BERLIN, quiet(("20:00", "00:00")), "2026-11-22 20:00", "2026-11-22 23:00"),
    "from midnight": (BERLIN, quiet(("00:00", "06:00")), "2026-11-22 23:00", "2026-11-23 05:00"),
    "Berlin, night of the spring change": (BERLIN, quiet(NIGHT), "2027-03-27 21:30", "2027-03-28 05:00"),
    "Berlin, night of the autumn change": (BERLIN, quiet(NIGHT), "2026-10-24 20:30", "2026-10-25 06:00"),
    "New York, night of the spring change": (NEW_YORK, quiet(NIGHT), "2027-03-14 04:00", "2027-03-14 11:00"),
    "New York, night of the autumn change": (NEW_YORK, quiet(NIGHT), "2026-11-01 03:00", "2026-11-01 12:00"),
    "Berlin, end in the skipped hour": (BERLIN, quiet(("22:00", "02:30")), "2027-03-28 00:30", "2027-03-28 01:00"),
    "New York, end in the skipped hour": (NEW_YORK, quiet(("22:00", "02:15")), "2027-03-14 06:00", "2027-03-14 07:00"),
    "Berlin, end in the repeated hour, the first time": (
        BERLIN, quiet(("22:00", "02:30")), "2026-10-24 23:00", "2026-10-25 00:30",
    ),
    "Berlin, quiet again in the repeated hour": (
        BERLIN, quiet(("22:00", "02:30")), "2026-10-25 01:10", "2026-10-25 01:30",
    ),
    "Berlin, allowed between the two": (BERLIN, quiet(("22:00", "02:30")), "2026-10-25 00:45", "2026-10-25 00:45"),
    "New York, end in the repeated hour": (NEW_YORK, quiet(("22:00", "01:30")), "2026-11-01 04:00", "2026-11-01 05:30"),
    "Berlin, start in the skipped hour": (BERLIN, quiet(("02:30", "07:00")), "2027-03-28 01:00", "2027-03-28 05:00"),
    "Berlin, the minute before that start": (BERLIN, quiet(("02:30", "07:00")), "2027-03-28 00:59", "2027-03-28 00:59"),
    "Berlin, window in the skipped hour": (BERLIN, quiet(("02:10", "02:50")), "2027-03-28 01:00", "2027-03-28 01:00"),
    "Berlin, start in the repeated hour": (BERLIN, quiet(("02:30", "07:00")), "2026-10-25 00:30", "2026-10-25 01:00"),
    "Kolkata is half an hour off": (KOLKATA, quiet(NIGHT), "2026-11-22 16:30", "2026-11-23 01:30"),
    "Kolkata, a minute before": (KOLKATA, quiet(NIGHT), "2026-11-22 16:29", "2026-11-22 16:29"),
    "Kathmandu is three quarters off": (KATHMANDU, quiet(NIGHT), "2026-11-22 16:15", "2026-11-23 01:15"),
    "Lord Howe goes forward by half an hour": (LORD_HOWE, quiet(NIGHT), "2026-10-03 12:00", "2026-10-03 20:00"),
    "Lord Howe goes back by half an hour": (LORD_HOWE, quiet(NIGHT), "2027-04-03 11:30", "2027-04-03 20:30"),
    "Lord Howe, end in the skipped half-hour": (
        LORD_HOWE, quiet(("22:00", "02:15")), "2026-10-03 15:00", "2026-10-03 15:30",
    ),
    "Lord Howe, end in the repeated half-hour": (
        LORD_HOWE, quiet(("22:00", "01:45")), "2027-04-03 14:00", "2027-04-03 14:45",
    ),
    "Cairo skips midnight itself": (CAIRO, quiet(("22:00", "00:00")), "2027-04-29 21:00", "2027-04-29 22:00"),
    "Cairo, end in the hour skipped after midnight": (
        CAIRO, quiet(("22:00", "00:30")), "2027-04-29 21:00", "2027-04-29 22:00",
    ),
    "a day without the window": (BERLIN, quiet((*NIGHT, [MON])), "2026-11-22 22:00", "2026-11-22 22:00"),
    "days say when it begins: Sunday's night ends on Monday": (
        BERLIN, quiet((*NIGHT, [SUN])), "2026-11-23 05:00", "2026-11-23 06:00",
    ),
    "Monday's night has not begun on Monday morning": (
        BERLIN, quiet((*NIGHT, [MON])), "2026-11-23 05:00", "2026-11-23 05:00",
    ),
    "Saturday's night reaches into the next week": (
        BERLIN, quiet((*NIGHT, [SUN])), "2026-11-22 23:00", "2026-11-23 06:00",
    ),
    "several windows: only the one that covers counts": (
        BERLIN, quiet((*NIGHT, [MON, TUE]), ("09:00", "17:00", [SAT])), "2026-11-28 10:00", "2026-11-28 16:00",
    ),
    "windows that adjoin are one": (
        BERLIN, quiet(("22:00", "02:00"), ("02:00", "07:00")), "2026-11-22 21:30", "2026-11-23 06:00",
    ),
    "windows that overlap end with the later one": (
        BERLIN, quiet(NIGHT, ("06:00", "09:00")), "2026-11-22 21:30", "2026-11-23 08:00",
    ),
    "a weekend": (
        BERLIN, quiet(("00:00", "23:59", [SAT, SUN]), ("23:59", "00:00", [SAT, SUN])),
        "2026-11-21 12:00", "2026-11-22 23:00",
    ),
    "nothing is quiet": (BERLIN, (), "2026-11-22 21:30", "2026-11-22 21:30"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "windows", "moment", "allowed"), CASES.values(), ids=CASES)
def test_the_first_allowed_moment(name: str, windows: tuple[Window, ...], moment: str, allowed: str) -> None:
    assert first_allowed(utc(moment), windows, ZoneInfo(name)) == utc(allowed)


def test_a_week_that_is_quiet_throughout_is_asked_about_again_in_a_week() -> None:
    windows = quiet(("00:00", "12:00"), ("12:00", "00:00"))
    assert first_allowed(utc("2026-11-22 12:00"), windows, ZoneInfo(BERLIN)) == utc("2026-11-29 12:00")


def test_a_hundred_adjoining_windows_are_followed_to_their_end() -> None:
    clocks = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 1440, 10)]
    windows = quiet(*pairwise(clocks), (clocks[-1], "00:00", [MON, TUE, WED, THU, FRI, SAT]))
    assert first_allowed(utc("2026-11-22 23:05"), windows, ZoneInfo(BERLIN)) == utc("2026-11-29 22:50")


def test_one_allowed_minute_a_week_is_found_across_a_clock_change() -> None:
    windows = quiet(
        ("00:00", "12:00"), ("12:01", "00:00"), ("12:00", "12:01", [MON, TUE, WED, THU, FRI, SAT])
    )  # fmt: skip
    moment = utc("2026-10-18 10:01")  # a Sunday in Berlin, one minute too late; the clocks go back a week later
    assert first_allowed(moment, windows, ZoneInfo(BERLIN)) == utc("2026-10-25 11:00")


_ZONES = st.sampled_from([BERLIN, NEW_YORK, KOLKATA, KATHMANDU, LORD_HOWE, CAIRO, "America/Havana", "Pacific/Chatham"])
_CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
_WINDOWS = st.lists(
    st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), _CLOCKS, _CLOCKS).filter(
        lambda window: window.start != window.end
    ),
    max_size=8,
).map(tuple)
_CHANGES = st.sampled_from(
    [
        "2026-10-25 01:00",
        "2027-03-28 01:00",
        "2026-11-01 06:00",
        "2027-03-14 07:00",
        "2026-10-03 15:30",
        "2027-04-29 22:00",
    ]
)
_MOMENTS = st.one_of(
    st.builds(lambda change, minutes: utc(change) + timedelta(minutes=minutes), _CHANGES, st.integers(-2_000, 2_000)),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
)


@given(name=_ZONES, windows=_WINDOWS, moment=_MOMENTS)
def test_nobody_is_disturbed_and_asking_again_changes_nothing(
    name: str, windows: tuple[Window, ...], moment: datetime
) -> None:
    where = ZoneInfo(name)
    allowed = first_allowed(moment, windows, where)
    assert allowed >= moment
    if any(window.covers(allowed.astimezone(where)) for window in windows):
        step, week = timedelta(minutes=1), 7 * 24 * 60
        assert allowed == moment + timedelta(days=7)
        walls = ((moment + step * number).astimezone(where) for number in range(week))
        assert all(any(window.covers(wall) for window in windows) for wall in walls)
    else:
        assert first_allowed(allowed, windows, where) == allowed


@given(name=_ZONES, windows=_WINDOWS, moment=_MOMENTS)
def test_nothing_waits_for_longer_than_its_windows_cover(
    name: str, windows: tuple[Window, ...], moment: datetime
) -> None:
    """The minute before the answer is quiet by the wall clock, or the clocks changed while it was waited."""
    where = ZoneInfo(name)
    allowed = first_allowed(moment, windows, where)
    offsets = {(moment + timedelta(hours=hour)).astimezone(where).utcoffset() for hour in range(-2, 9 * 24)}
    if allowed > moment and len(offsets) == 1:
        before = (allowed - timedelta(seconds=1)).astimezone(where)
        assert before < moment.astimezone(where) or any(window.covers(before) for window in windows)


# The hours around a change of the clocks, and the windows asked about there: each minute of them is looked at.
BACK = [
    ("America/Santiago", "2027-04-04 03:00"),
    ("America/Havana", "2024-11-03 05:00"),
    ("America/St_Johns", "2006-10-29 02:31"),
    ("Antarctica/Troll", "2026-10-25 01:00"),
    (LORD_HOWE, "2027-04-03 15:00"),
    (BERLIN, "2026-10-25 01:00"),
    ("Antarctica/Troll", "2026-03-29 01:00"),
    (CAIRO, "2027-04-29 22:00"),
]
CLOCKS = ("00:15", "00:01", "01:45", "02:30", "03:00", "22:45", "23:15", "23:31")


@pytest.mark.parametrize(("name", "change"), BACK, ids=lambda text: text.split(" ")[0])
def test_around_a_change_of_the_clocks_the_first_allowed_minute_is_what_looking_at_each_finds(
    name: str, change: str
) -> None:
    where, minute = ZoneInfo(name), timedelta(minutes=1)
    first = utc(change) - timedelta(hours=6)
    walls = [(first + minute * number).astimezone(where) for number in range(48 * 60)]
    for start, end in permutations(CLOCKS, 2):
        windows = quiet((start, end))
        allowed = utc("2100-01-01 00:00")
        for number, wall in reversed(list(enumerate(walls))):
            if not windows[0].covers(wall):
                allowed = first + minute * number
            if number < 9 * 60 and number % 3 == 0:
                assert first_allowed(first + minute * number, windows, where) == allowed, (wall, start, end)


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        pytest.param([{"days": [7], "start": "22:00", "end": "07:00"}], "days", id="no eighth day"),
        pytest.param([{"days": [-1], "start": "22:00", "end": "07:00"}], "days", id="no day before Monday"),
        pytest.param([{"days": [], "start": "22:00", "end": "07:00"}], "days", id="no day at all"),
        pytest.param([{"days": [True], "start": "22:00", "end": "07:00"}], "days", id="True is no Tuesday"),
        pytest.param([{"days": "123", "start": "22:00", "end": "07:00"}], "days", id="days as text"),
        pytest.param([{"start": "25:00", "end": "07:00"}], "start", id="no such hour"),
        pytest.param([{"start": "22:00"}], "end", id="no end"),
        pytest.param([{"start": "22:00", "end": "22:00"}], "differ", id="neither nothing nor a whole day"),
        pytest.param([{"start": "22:00+01:00", "end": "07:00"}], "zone", id="the recipient's own zone applies"),
        pytest.param(["22:00-07:00"], "list of windows", id="a text for a window"),
        pytest.param({"start": "22:00", "end": "07:00"}, "list of windows", id="one window without its list"),
        pytest.param(None, "list of windows", id="nothing"),
    ],
)
def test_windows_that_cannot_be_are_refused_with_the_reason(stored: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_windows(stored)  # type: ignore[arg-type]


def test_windows_are_read_as_they_are_stored() -> None:
    stored = [{"days": [0, 6], "start": "22:00", "end": "07:00"}, {"start": "12:00", "end": "13:30"}]
    assert parse_windows(stored) == quiet(("22:00", "07:00", [MON, SUN]), ("12:00", "13:30"))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("Asia/Kathmandu", True, id="an IANA name"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
        pytest.param("Mars/Olympus", False, id="unknown"),
        pytest.param("../../etc/passwd", False, id="a path"),
        pytest.param("Europe", False, id="a folder"),
        pytest.param("a\x00b", False, id="NUL"),
    ],
)
def test_a_zone_is_found_by_name_or_not_at_all(name: str | None, found: bool) -> None:
    assert (zone(name) is not None) == found
