"""Throttle windows, digests, and what becomes of one notification of many. The clocks: see `quiet_hours`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from notifications.declarations.limits import Schedule, Throttle, parse_digest
from notifications.rules.digests import Item, Line, summary
from notifications.rules.throttling import admit, digest_at, throttle_window

from .cases import at, table
from .quiet_hours import APIA, BERLIN, CASABLANCA, KATHMANDU, KOLKATA, LORD_HOWE, NEW_YORK, SANTIAGO, ST_JOHNS, TROLL


def _shown(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


def _window(per: str, zone: str, moment: str) -> str:
    span = throttle_window(Throttle(5, per), at(moment), ZoneInfo(zone))
    return f"{_shown(span.start, zone)} to {_shown(span.end, zone)}"


WINDOWS = table("throttle window", _window, [
    ("minute: its last microsecond", "minute", BERLIN, "2026-11-22T10:00:59.999999+01:00",
     "2026-11-22T10:00+01:00 to 2026-11-22T10:01+01:00"),
    ("minute: its first moment", "minute", BERLIN, "2026-11-22T10:01:00+01:00",
     "2026-11-22T10:01+01:00 to 2026-11-22T10:02+01:00"),
    ("hour: its first moment", "hour", BERLIN, "2026-11-22T10:00:00+01:00",
     "2026-11-22T10:00+01:00 to 2026-11-22T11:00+01:00"),
    ("hour: its last microsecond", "hour", BERLIN, "2026-11-22T10:59:59.999999+01:00",
     "2026-11-22T10:00+01:00 to 2026-11-22T11:00+01:00"),
    ("hour: Kolkata's run from half to half", "hour", KOLKATA, "2026-11-22T15:29:59.999999+05:30",
     "2026-11-22T14:30+05:30 to 2026-11-22T15:30+05:30"),
    ("hour: Kathmandu's from a quarter to", "hour", KATHMANDU, "2026-11-22T15:45:00+05:45",
     "2026-11-22T15:45+05:45 to 2026-11-22T16:45+05:45"),
    ("hour: before the clocks go forward", "hour", BERLIN, "2027-03-28T01:59:59.999999+01:00",
     "2027-03-28T01:00+01:00 to 2027-03-28T03:00+02:00"),
    ("hour: the first of two", "hour", BERLIN, "2026-10-25T02:59:59.999999+02:00",
     "2026-10-25T02:00+02:00 to 2026-10-25T02:00+01:00"),
    ("hour: the second of two", "hour", BERLIN, "2026-10-25T02:00:00+01:00",
     "2026-10-25T02:00+01:00 to 2026-10-25T03:00+01:00"),
    ("day: its last microsecond", "day", BERLIN, "2026-11-22T23:59:59.999999+01:00",
     "2026-11-22T00:00+01:00 to 2026-11-23T00:00+01:00"),
    ("day: its midnight", "day", BERLIN, "2026-11-23T00:00:00+01:00",
     "2026-11-23T00:00+01:00 to 2026-11-24T00:00+01:00"),
    ("day: Berlin, 23 hours", "day", BERLIN, "2027-03-28T12:00:00+02:00",
     "2027-03-28T00:00+01:00 to 2027-03-29T00:00+02:00"),
    ("day: Berlin, 25 hours", "day", BERLIN, "2026-10-25T12:00:00+01:00",
     "2026-10-25T00:00+02:00 to 2026-10-26T00:00+01:00"),
    ("day: New York, 23 hours", "day", NEW_YORK, "2027-03-14T12:00:00-04:00",
     "2027-03-14T00:00-05:00 to 2027-03-15T00:00-04:00"),
    ("day: Lord Howe, 23 and a half hours", "day", LORD_HOWE, "2026-10-04T12:00:00+11:00",
     "2026-10-04T00:00+10:30 to 2026-10-05T00:00+11:00"),
    ("day: Lord Howe, 24 and a half hours", "day", LORD_HOWE, "2027-04-04T12:00:00+10:30",
     "2027-04-04T00:00+11:00 to 2027-04-05T00:00+10:30"),
    ("day: Troll, 22 hours", "day", TROLL, "2026-03-29T12:00:00+02:00",
     "2026-03-29T00:00+00:00 to 2026-03-30T00:00+02:00"),
    ("day: Casablanca, Ramadan begins", "day", CASABLANCA, "2026-02-15T12:00:00+00:00",
     "2026-02-15T00:00+01:00 to 2026-02-16T00:00+00:00"),
    ("day: Santiago, midnight is skipped", "day", SANTIAGO, "2026-09-06T01:00:00-03:00",
     "2026-09-06T01:00-03:00 to 2026-09-07T00:00-03:00"),
    ("day: Santiago, the day before it", "day", SANTIAGO, "2026-09-05T23:59:59.999999-04:00",
     "2026-09-05T00:00-04:00 to 2026-09-06T01:00-03:00"),
    ("day: Santiago, its last hour comes twice", "day", SANTIAGO, "2026-04-04T23:30:00-04:00",
     "2026-04-04T00:00-03:00 to 2026-04-05T00:00-04:00"),
    ("day: Havana, midnight comes twice: the first", "day", "America/Havana", "2026-11-01T00:30:00-04:00",
     "2026-11-01T00:00-04:00 to 2026-11-02T00:00-05:00"),
    ("day: Havana, midnight comes twice: the second", "day", "America/Havana", "2026-11-01T00:00:00-05:00",
     "2026-11-01T00:00-04:00 to 2026-11-02T00:00-05:00"),
    ("day: Kolkata", "day", KOLKATA, "2026-11-22T18:29:59.999999+00:00",
     "2026-11-22T00:00+05:30 to 2026-11-23T00:00+05:30"),
    ("day: Kathmandu", "day", KATHMANDU, "2026-11-22T18:15:00+00:00",
     "2026-11-23T00:00+05:45 to 2026-11-24T00:00+05:45"),
    ("day: Apia, before the skipped one", "day", APIA, "2011-12-29T12:00:00-10:00",
     "2011-12-29T00:00-10:00 to 2011-12-31T00:00+14:00"),
    ("day: Apia, after the skipped one", "day", APIA, "2011-12-31T00:00:00+14:00",
     "2011-12-31T00:00+14:00 to 2012-01-01T00:00+14:00"),
    ("day: the year's last", "day", NEW_YORK, "2026-12-31T23:59:59.999999-05:00",
     "2026-12-31T00:00-05:00 to 2027-01-01T00:00-05:00"),
])  # fmt: skip


def _digest(schedule: str, zone: str, moment: str) -> str:
    parsed = parse_digest(schedule)
    assert parsed is not None
    return _shown(digest_at(parsed, at(moment), ZoneInfo(zone)), zone)


DIGESTS = table("digest", _digest, [
    ("hourly: on the hour", "hourly", BERLIN, "2026-11-22T10:00:00+01:00", "2026-11-22T11:00+01:00"),
    ("hourly: the microsecond before", "hourly", BERLIN, "2026-11-22T09:59:59.999999+01:00", "2026-11-22T10:00+01:00"),
    ("hourly: Kolkata's come at half past", "hourly", KOLKATA, "2026-11-22T10:00:00+05:30", "2026-11-22T10:30+05:30"),
    ("hourly: the first of two hours", "hourly", BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-25T02:00+01:00"),
    ("hourly: before the skipped hour", "hourly", NEW_YORK, "2027-03-14T01:30:00-05:00", "2027-03-14T03:00-04:00"),
    ("daily: the microsecond before", "daily 09:00", BERLIN, "2026-11-22T08:59:59.999999+01:00",
     "2026-11-22T09:00+01:00"),
    ("daily: as it closes", "daily 09:00", BERLIN, "2026-11-22T09:00:00+01:00", "2026-11-23T09:00+01:00"),
    ("daily: the microsecond after", "daily 09:00", BERLIN, "2026-11-22T09:00:00.000001+01:00",
     "2026-11-23T09:00+01:00"),
    ("daily at midnight: as it closes", "daily 00:00", BERLIN, "2026-11-22T00:00:00+01:00", "2026-11-23T00:00+01:00"),
    ("daily at midnight: just before", "daily 00:00", BERLIN, "2026-11-22T23:59:59.999999+01:00",
     "2026-11-23T00:00+01:00"),
    ("daily: over the year's end", "daily 09:00", BERLIN, "2026-12-31T10:00:00+01:00", "2027-01-01T09:00+01:00"),
    ("daily: Kolkata", "daily 09:00", KOLKATA, "2026-11-22T03:29:59+00:00", "2026-11-22T09:00+05:30"),
    ("hourly: Kathmandu's hours end at a quarter to", "hourly", KATHMANDU, "2026-11-22T15:45:00+05:45",
     "2026-11-22T16:45+05:45"),
    ("daily: Kathmandu", "daily 09:00", KATHMANDU, "2026-11-22T03:15:00+00:00", "2026-11-23T09:00+05:45"),
    ("daily: Berlin goes forward", "daily 09:00", BERLIN, "2027-03-27T10:00:00+01:00", "2027-03-28T09:00+02:00"),
    ("daily: Berlin goes back", "daily 09:00", BERLIN, "2026-10-24T10:00:00+02:00", "2026-10-25T09:00+01:00"),
    ("daily: Lord Howe goes forward", "daily 09:00", LORD_HOWE, "2026-10-03T10:00:00+10:30", "2026-10-04T09:00+11:00"),
    ("daily: Lord Howe goes back", "daily 09:00", LORD_HOWE, "2027-04-03T10:00:00+11:00", "2027-04-04T09:00+10:30"),
    ("daily: Casablanca, Ramadan ends", "daily 09:00", CASABLANCA, "2026-03-21T10:00:00+00:00",
     "2026-03-22T09:00+01:00"),
    ("daily in the skipped hour: Berlin", "daily 02:30", BERLIN, "2027-03-28T01:59:59.999999+01:00",
     "2027-03-28T03:00+02:00"),
    ("daily in the skipped hour: as it is skipped", "daily 02:30", BERLIN, "2027-03-28T03:00:00+02:00",
     "2027-03-29T02:30+02:00"),
    ("daily in the skipped hour: Lord Howe", "daily 02:15", LORD_HOWE, "2026-10-04T01:00:00+10:30",
     "2026-10-04T02:30+11:00"),
    ("daily in the skipped hour: Santiago's midnight", "daily 00:00", SANTIAGO, "2026-09-05T12:00:00-04:00",
     "2026-09-06T01:00-03:00"),
    ("daily in the skipped hour: Troll", "daily 01:00", TROLL, "2026-03-29T00:59:00+00:00", "2026-03-29T03:00+02:00"),
    ("daily in the skipped hour: St John's", "daily 02:30", ST_JOHNS, "2026-03-08T01:59:00-03:30",
     "2026-03-08T03:00-02:30"),
    ("daily in the hour that comes twice: the first", "daily 02:30", BERLIN, "2026-10-25T02:29:59+02:00",
     "2026-10-25T02:30+02:00"),
    ("daily in the hour that comes twice: not again", "daily 02:30", BERLIN, "2026-10-25T02:29:59+01:00",
     "2026-10-26T02:30+01:00"),
    ("daily in the hour that comes twice: Santiago", "daily 23:30", SANTIAGO, "2026-04-04T23:30:00-03:00",
     "2026-04-05T23:30-04:00"),
    ("daily on the day that Apia skipped", "daily 09:00", APIA, "2011-12-29T09:00:00-10:00", "2011-12-31T00:00+14:00"),
    ("daily on the day after that", "daily 09:00", APIA, "2011-12-31T00:00:00+14:00", "2011-12-31T09:00+14:00"),
])  # fmt: skip


def _admitted(number: int, admitted: str, most: int | None, digest: str) -> str:
    throttle = None if most is None else Throttle(most, "hour")
    ids = [UUID(int=int(item)) for item in admitted.split()]
    return admit(UUID(int=number), ids, throttle, Schedule() if digest else None).value


ADMISSIONS = table("place in a throttle window", _admitted, [
    ("no limits", 1, "", None, "", "send"),
    ("no throttle, a digest: everything is gathered", 1, "", None, "hourly", "digest"),
    ("no throttle, a digest, admitted already", 1, "1", None, "hourly", "send"),
    ("the only place", 1, "", 1, "", "send"),
    ("the last place", 3, "1 2", 3, "", "send"),
    ("the first without a place", 4, "1 2 3", 3, "", "defer"),
    ("the first without a place, a digest", 4, "1 2 3", 3, "hourly", "digest"),
    ("the last place, a digest", 3, "1 2", 3, "hourly", "send"),
    ("full, but it has its place", 2, "1 2 3", 3, "", "send"),
    ("full, but it has its place, a digest", 2, "1 2 3", 3, "hourly", "send"),
    ("more than full, since the throttle was lowered", 9, "1 2 3", 2, "", "defer"),
])  # fmt: skip


def _summed(keys: str) -> str:
    named = enumerate(keys.split(), 1)
    items = [Item(number, "likes", "" if key == "-" else key) for number, key in named]
    told = summary(items, lambda shown: {number: Line(str(number)) for number in shown})
    shown = " ".join(f"{item['title']}x{item['count']}" for item in told["items"])  # type: ignore[attr-defined]
    return f"{told['count']}: {shown}, {told['more']} more"


SUMMARIES = table("words of a digest", _summed, [
    ("none", "", "0: , 0 more"),
    ("one", "-", "1: 1x1, 0 more"),
    ("the newest first", "- - -", "3: 3x1 2x1 1x1, 0 more"),
    ("by key", "a b a", "3: 3x2 2x1, 0 more"),
    ("without a key each stands alone", "a - a -", "4: 4x1 3x2 2x1, 0 more"),
    ("ten groups", "a b c d e f g h i j", "10: 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1 2x1 1x1, 0 more"),
    ("an eleventh hides the oldest", "a a b c d e f g h i j k",
     "12: 12x1 11x1 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1, 2 more"),
    ("a group is as new as its newest", "a b c d e f g h i j k a",
     "12: 12x2 11x1 10x1 9x1 8x1 7x1 6x1 5x1 4x1 3x1, 1 more"),
])  # fmt: skip


def _in_same_words(keys: str) -> str:
    items = [Item("", "likes", key) for key in keys.split()]
    told = summary(items, lambda shown: dict.fromkeys(shown, Line("Somebody likes it")))
    return " ".join(f"{item['key']}x{item['count']}" for item in told["items"])  # type: ignore[attr-defined]


ALIKE = table("words of a digest that are all the same", _in_same_words, [
    ("a group is as new as its newest", "a b c d e f g h i j k a", "ax2 kx1 jx1 ix1 hx1 gx1 fx1 ex1 dx1 cx1"),
    ("each group is there once", "a b a b", "bx2 ax2"),
])  # fmt: skip
CASES = [*WINDOWS, *DIGESTS, *ADMISSIONS, *SUMMARIES, *ALIKE]
