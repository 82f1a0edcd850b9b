"""How much one recipient gets of a category, and when the rest goes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.declarations.limits import Schedule, Throttle, parse_digest, parse_throttle
from notifications.rules.throttling import Admission, admit, digest_at, throttle_window

BERLIN, SANTIAGO, KOLKATA, LORD_HOWE, KATHMANDU = (
    ZoneInfo(name)
    for name in ("Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu")
)
ZONES = [BERLIN, SANTIAGO, KOLKATA, LORD_HOWE, KATHMANDU, ZoneInfo("UTC"), ZoneInfo("Pacific/Apia")]
IDS = [UUID(int=number) for number in range(8)]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("text", "meant"), [("5/hour", Throttle(5, "hour")), ("1/minute", Throttle(1, "minute")),
                                             ("9999/day", Throttle(9999, "day")), ("", None)])  # fmt: skip
def test_a_throttle_is_read(text: str, meant: Throttle | None) -> None:
    assert parse_throttle(text) == meant


@pytest.mark.parametrize("text", ["0/hour", "5", "hour", "5/week", "-1/day", "5 / hour", "10000/day", "5/hour\n"])
def test_another_throttle_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="5/hour"):
        parse_throttle(text)


@pytest.mark.parametrize("text", ["weekly", "daily", "daily 9:00", "daily 24:00", "daily 09:60", "daily 09:00 "])
def test_another_digest_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="daily 09:00"):
        parse_digest(text)


@pytest.mark.parametrize(
    ("throttle", "moment", "where", "start", "end"),
    [
        pytest.param("1/minute", "2026-11-22T10:00:59.9", BERLIN, "2026-11-22T10:00", "2026-11-22T10:01", id="minute"),
        pytest.param("5/hour", "2026-11-22T10:00", BERLIN, "2026-11-22T10:00", "2026-11-22T11:00", id="begins at once"),
        pytest.param("5/hour", "2026-11-22T10:59:59", KOLKATA, "2026-11-22T10:00", "2026-11-22T11:00",
                     id="hours by the clock, half-hour zone or not"),
        pytest.param("5/day", "2026-11-22T23:30", BERLIN, "2026-11-22T23:00", "2026-11-23T23:00",
                     id="days by the recipient's midnight"),
        pytest.param("5/day", "2026-11-22T18:29", KOLKATA, "2026-11-21T18:30", "2026-11-22T18:30",
                     id="a half-hour zone's midnight"),
        pytest.param("5/day", "2026-03-29T12:00", BERLIN, "2026-03-28T23:00", "2026-03-29T22:00",
                     id="a day of 23 hours"),
        pytest.param("5/day", "2026-10-25T12:00", BERLIN, "2026-10-24T22:00", "2026-10-25T23:00",
                     id="a day of 25 hours"),
        pytest.param("5/day", "2026-09-06T12:00", SANTIAGO, "2026-09-06T04:00", "2026-09-07T03:00",
                     id="midnight is skipped: the day begins at one"),
        pytest.param("5/day", "2026-09-06T03:59", SANTIAGO, "2026-09-05T04:00", "2026-09-06T04:00",
                     id="and the day before ends there"),
    ],
)  # fmt: skip
def test_the_throttle_window_of_a_moment(throttle: str, moment: str, where: ZoneInfo, start: str, end: str) -> None:
    parsed = parse_throttle(throttle)
    assert parsed is not None
    span = throttle_window(parsed, utc(moment), where)
    assert (span.start, span.end) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("digest", "moment", "where", "due"),
    [
        pytest.param("hourly", "2026-11-22T10:00", BERLIN, "2026-11-22T11:00", id="on the hour: the next one"),
        pytest.param("hourly", "2026-11-22T10:59:59.9", BERLIN, "2026-11-22T11:00", id="just before"),
        pytest.param("daily 09:00", "2026-11-22T07:59:59", BERLIN, "2026-11-22T08:00", id="still today"),
        pytest.param("daily 09:00", "2026-11-22T08:00", BERLIN, "2026-11-23T08:00", id="as it closes: tomorrow's"),
        pytest.param("daily 09:00", "2026-11-22T03:30", KOLKATA, "2026-11-23T03:30", id="half-hour zone"),
        pytest.param("daily 09:00", "2026-03-28T12:00", BERLIN, "2026-03-29T07:00", id="over the spring change"),
        pytest.param("daily 09:00", "2026-10-24T12:00", BERLIN, "2026-10-25T08:00", id="over the autumn change"),
        pytest.param("daily 02:30", "2026-03-28T12:00", BERLIN, "2026-03-29T01:00", id="a time that the clocks skip"),
        pytest.param("daily 02:30", "2026-10-24T12:00", BERLIN, "2026-10-25T00:30", id="a time that comes twice: once"),
        pytest.param("daily 02:30", "2026-10-25T00:30", BERLIN, "2026-10-26T01:30", id="and not a second time"),
    ],
)
def test_when_a_digest_goes_out(digest: str, moment: str, where: ZoneInfo, due: str) -> None:
    schedule = parse_digest(digest)
    assert schedule is not None
    assert digest_at(schedule, utc(moment), where) == utc(due)


@pytest.mark.parametrize(
    ("throttle", "schedule", "admitted", "becomes"),
    [
        pytest.param(None, None, [], Admission.SEND, id="neither: it is sent"),
        pytest.param(Throttle(2, "hour"), None, IDS[1:2], Admission.SEND, id="the last place"),
        pytest.param(Throttle(2, "hour"), None, IDS[1:3], Admission.DEFER, id="full, no digest: the next window"),
        pytest.param(Throttle(2, "hour"), Schedule(), IDS[1:3], Admission.DIGEST, id="full: into the digest"),
        pytest.param(Throttle(2, "hour"), Schedule(), IDS[:2], Admission.SEND, id="admitted already: another device"),
        pytest.param(None, Schedule(), [], Admission.DIGEST, id="a digest alone gathers everything"),
    ],
)
def test_admission(
    throttle: Throttle | None, schedule: Schedule | None, admitted: list[UUID], becomes: Admission
) -> None:
    assert admit(IDS[0], admitted, throttle, schedule) == becomes


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(["minute", "hour", "day"]))
def test_every_moment_lies_in_its_window_and_windows_tile(moment: datetime, where: ZoneInfo, per: str) -> None:
    span = throttle_window(Throttle(1, per), moment, where)
    assert span.start <= moment < span.end
    assert throttle_window(Throttle(1, per), span.end, where).start == span.end
    assert throttle_window(Throttle(1, per), span.start, where) == span


@given(MOMENTS, st.sampled_from(ZONES), st.times())
def test_a_daily_digest_is_always_ahead_by_at_most_a_day_and_a_bit(
    moment: datetime, where: ZoneInfo, clock: object
) -> None:
    schedule = parse_digest(f"daily {clock:%H:%M}")
    assert schedule is not None
    due = digest_at(schedule, moment, where)
    assert timedelta(0) < due - moment <= timedelta(days=1, hours=26)
