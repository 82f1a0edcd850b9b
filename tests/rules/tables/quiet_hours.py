"""Quiet hours. Moments are written with their offset, since a wall time alone may come twice or never.

The clocks: Berlin 2027-03-28 02:00 to 03:00, 2026-10-25 03:00 to 02:00; New York 2027-03-14 02:00 to 03:00, 2026-11-01
02:00 to 01:00; Lord Howe 2026-10-04 02:00 to 02:30, 2027-04-04 02:00 to 01:30; Santiago 2026-09-06 00:00 to 01:00,
2026-04-05 00:00 to 23:00 the day before; Casablanca, for Ramadan, 2026-02-15 03:00 to 02:00, 2026-03-22 02:00 to 03:00;
Troll 2026-03-29 01:00 to 03:00, 2026-10-25 03:00 to 01:00; Apia went from 2011-12-29 to 2011-12-31.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from notifications.rules.quiet_hours import first_allowed

from .cases import Case, at, table, windows

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
SANTIAGO, CASABLANCA, TROLL, APIA = "America/Santiago", "Africa/Casablanca", "Antarctica/Troll", "Pacific/Apia"
HAVANA = "America/Havana"
KOLKATA, KATHMANDU, CHATHAM, ST_JOHNS = "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns"
NIGHT = "22:00-07:00"


def _allowed(zone: str, quiet: str, moment: str) -> str:
    where = ZoneInfo(zone)
    found = first_allowed(at(moment), windows(quiet), where)
    return "goes" if found == at(moment) else found.astimezone(where).isoformat(timespec="auto")


def _in(zone: str, quiet: str, *rows: tuple[str, str, str]) -> list[tuple[object, ...]]:
    return [(boundary, zone, quiet, moment, outcome) for boundary, moment, outcome in rows]


def _table(rule: str, *groups: list[tuple[object, ...]]) -> list[Case]:
    return table(f"quiet hours, {rule}", _allowed, [row for group in groups for row in group])


PLAIN_DAYS = [
    *_table("a night", _in(
        BERLIN, NIGHT,
        ("the microsecond before it begins", "2026-11-22T21:59:59.999999+01:00", "goes"),
        ("as it begins", "2026-11-22T22:00:00+01:00", "2026-11-23T07:00:00+01:00"),
        ("the microsecond before midnight", "2026-11-22T23:59:59.999999+01:00", "2026-11-23T07:00:00+01:00"),
        ("midnight", "2026-11-23T00:00:00+01:00", "2026-11-23T07:00:00+01:00"),
        ("the microsecond before it ends", "2026-11-23T06:59:59.999999+01:00", "2026-11-23T07:00:00+01:00"),
        ("as it ends", "2026-11-23T07:00:00+01:00", "goes"),
        ("noon", "2026-11-23T12:00:00+01:00", "goes"),
        ("New Year's Eve", "2026-12-31T23:00:00+01:00", "2027-01-01T07:00:00+01:00"),
        ("into a leap day", "2028-02-28T22:00:00+01:00", "2028-02-29T07:00:00+01:00"),
        ("out of a leap day", "2028-02-29T22:00:00+01:00", "2028-03-01T07:00:00+01:00"),
    )),
    *_table("within a day", _in(
        BERLIN, "12:00-14:00",
        ("the microsecond before it begins", "2026-11-22T11:59:59.999999+01:00", "goes"),
        ("as it begins", "2026-11-22T12:00:00+01:00", "2026-11-22T14:00:00+01:00"),
        ("the microsecond before it ends", "2026-11-22T13:59:59.999999+01:00", "2026-11-22T14:00:00+01:00"),
        ("as it ends", "2026-11-22T14:00:00+01:00", "goes"),
        ("midnight, which it does not cross", "2026-11-23T00:00:00+01:00", "goes"),
    )),
    *_table("to midnight", _in(
        BERLIN, "20:00-00:00",
        ("the microsecond before it begins", "2026-11-22T19:59:59.999999+01:00", "goes"),
        ("as it begins", "2026-11-22T20:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("the microsecond before midnight", "2026-11-22T23:59:59.999999+01:00", "2026-11-23T00:00:00+01:00"),
        ("midnight", "2026-11-23T00:00:00+01:00", "goes"),
    )),
    *_table("from midnight", _in(
        BERLIN, "00:00-06:00",
        ("the microsecond before midnight", "2026-11-22T23:59:59.999999+01:00", "goes"),
        ("midnight", "2026-11-23T00:00:00+01:00", "2026-11-23T06:00:00+01:00"),
        ("as it ends", "2026-11-23T06:00:00+01:00", "goes"),
    )),
    *_table("one minute", _in(
        BERLIN, "12:00-12:01",
        ("within it", "2026-11-22T12:00:59.999999+01:00", "2026-11-22T12:01:00+01:00"),
        ("after it", "2026-11-22T12:01:00+01:00", "goes"),
    )),
    *_table("all day but a minute", _in(
        BERLIN, "12:01-12:00",
        ("the first microsecond of that minute", "2026-11-22T12:00:00+01:00", "goes"),
        ("its last microsecond", "2026-11-22T12:00:59.999999+01:00", "goes"),
        ("one microsecond too late: tomorrow", "2026-11-22T12:01:00+01:00", "2026-11-23T12:00:00+01:00"),
        ("one microsecond too early", "2026-11-22T11:59:59.999999+01:00", "2026-11-22T12:00:00+01:00"),
    )),
    *_table("none", _in(BERLIN, "", ("the middle of the night", "2026-11-22T03:00:00+01:00", "goes"))),
]  # fmt: skip

WEEKS = [
    *_table("Sunday's night only", _in(
        BERLIN, f"{NIGHT} Sun",
        ("Sunday as it begins", "2026-11-22T22:00:00+01:00", "2026-11-23T07:00:00+01:00"),
        ("Sunday morning belongs to Saturday's night", "2026-11-22T06:00:00+01:00", "goes"),
        ("Monday morning belongs to it", "2026-11-23T06:59:59.999999+01:00", "2026-11-23T07:00:00+01:00"),
        ("Monday as it ends", "2026-11-23T07:00:00+01:00", "goes"),
        ("Monday's night", "2026-11-23T22:00:00+01:00", "goes"),
        ("Saturday's night", "2026-11-21T23:00:00+01:00", "goes"),
    )),
    *_table("Monday's night only", _in(
        BERLIN, f"{NIGHT} Mon",
        ("Sunday's night before midnight", "2026-11-22T23:59:59.999999+01:00", "goes"),
        ("Sunday's night after midnight", "2026-11-23T00:00:00+01:00", "goes"),
        ("Monday's night", "2026-11-23T22:00:00+01:00", "2026-11-24T07:00:00+01:00"),
    )),
    *_table("Monday noon only", _in(
        BERLIN, "12:00-14:00 Mon",
        ("Sunday", "2026-11-22T13:00:00+01:00", "goes"),
        ("Monday", "2026-11-23T13:00:00+01:00", "2026-11-23T14:00:00+01:00"),
        ("Tuesday", "2026-11-24T13:00:00+01:00", "goes"),
    )),
    *_table("working days and weekends", _in(
        BERLIN, f"{NIGHT} Mon,Tue,Wed,Thu; 23:00-10:00 Fri,Sat",
        ("Thursday's night", "2026-11-26T22:30:00+01:00", "2026-11-27T07:00:00+01:00"),
        ("Friday, when Thursday's would have begun", "2026-11-27T22:30:00+01:00", "goes"),
        ("Friday, when its own begins", "2026-11-27T23:00:00+01:00", "2026-11-28T10:00:00+01:00"),
        ("Saturday, when Thursday's would have ended", "2026-11-28T07:00:00+01:00", "2026-11-28T10:00:00+01:00"),
        ("Sunday, the last microsecond of Saturday's", "2026-11-29T09:59:59.999999+01:00", "2026-11-29T10:00:00+01:00"),
        ("Sunday's night, which has none", "2026-11-29T23:30:00+01:00", "goes"),
    )),
    *_table("windows that touch", _in(
        BERLIN, "22:00-02:00; 02:00-07:00",
        ("as the first begins", "2026-11-22T22:00:00+01:00", "2026-11-23T07:00:00+01:00"),
        ("the microsecond before they touch", "2026-11-23T01:59:59.999999+01:00", "2026-11-23T07:00:00+01:00"),
        ("where they touch", "2026-11-23T02:00:00+01:00", "2026-11-23T07:00:00+01:00"),
        ("as the second ends", "2026-11-23T07:00:00+01:00", "goes"),
    )),
    *_table("windows a minute apart", _in(
        BERLIN, "22:00-02:00; 02:01-07:00",
        ("in the first", "2026-11-22T22:00:00+01:00", "2026-11-23T02:00:00+01:00"),
        ("between them", "2026-11-23T02:00:59.999999+01:00", "goes"),
        ("in the second", "2026-11-23T02:01:00+01:00", "2026-11-23T07:00:00+01:00"),
    )),
    *_table("windows that overlap", _in(
        BERLIN, f"{NIGHT}; 06:00-09:00",
        ("in the first only", "2026-11-22T22:00:00+01:00", "2026-11-23T09:00:00+01:00"),
        ("in both", "2026-11-23T06:30:00+01:00", "2026-11-23T09:00:00+01:00"),
        ("as the first ends", "2026-11-23T07:00:00+01:00", "2026-11-23T09:00:00+01:00"),
        ("as the second ends", "2026-11-23T09:00:00+01:00", "goes"),
    )),
    *_table("a window within another", _in(
        BERLIN, f"{NIGHT}; 00:00-01:00",
        ("in both: the later end counts", "2026-11-23T00:30:00+01:00", "2026-11-23T07:00:00+01:00"),
    )),
    *_table("windows that pass the time on", _in(
        BERLIN, "22:00-12:00; 12:00-20:00",
        ("evening: until the next evening", "2026-11-22T22:00:00+01:00", "2026-11-23T20:00:00+01:00"),
        ("the two hours between", "2026-11-22T21:00:00+01:00", "goes"),
    )),
    *_table("a whole Sunday", _in(
        BERLIN, "00:00-12:00 Sun; 12:00-00:00 Sun",
        ("the microsecond before", "2026-11-21T23:59:59.999999+01:00", "goes"),
        ("its midnight", "2026-11-22T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("its noon", "2026-11-22T12:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("Monday's midnight", "2026-11-23T00:00:00+01:00", "goes"),
        ("a Sunday of 25 hours", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        ("a Sunday of 23 hours", "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00"),
    )),
    *_table("a whole weekend", _in(
        BERLIN, "00:00-12:00 Sat,Sun; 12:00-00:00 Sat,Sun",
        ("Saturday's midnight", "2026-11-21T00:00:00+01:00", "2026-11-23T00:00:00+01:00"),
        ("Friday's last microsecond", "2026-11-20T23:59:59.999999+01:00", "goes"),
    )),
    *_table("all but Monday", _in(
        BERLIN, "00:00-00:00 Tue,Wed,Thu,Fri,Sat,Sun",
        ("Tuesday's midnight: six days", "2026-11-24T00:00:00+01:00", "2026-11-30T00:00:00+01:00"),
        ("Monday's last microsecond", "2026-11-23T23:59:59.999999+01:00", "goes"),
    )),
    *_table("a whole week", _in(
        BERLIN, "00:00-12:00; 12:00-00:00",
        ("asked again a week later", "2026-11-22T12:00:00+01:00", "2026-11-29T12:00:00+01:00"),
        ("a week later over a clock change", "2026-10-20T12:00:00+02:00", "2026-10-27T11:00:00+01:00"),
    )),
]  # fmt: skip

CLOCK_CHANGES = [
    *_table("the night in which the clocks go forward", *(
        _in(zone, NIGHT, (zone, moment, outcome)) for zone, moment, outcome in (
            (BERLIN, "2027-03-27T22:00:00+01:00", "2027-03-28T07:00:00+02:00"),
            (NEW_YORK, "2027-03-13T22:00:00-05:00", "2027-03-14T07:00:00-04:00"),
            (LORD_HOWE, "2026-10-03T22:00:00+10:30", "2026-10-04T07:00:00+11:00"),
            (SANTIAGO, "2026-09-05T22:00:00-04:00", "2026-09-06T07:00:00-03:00"),
            (CASABLANCA, "2026-03-21T22:00:00+00:00", "2026-03-22T07:00:00+01:00"),
            (TROLL, "2026-03-28T22:00:00+00:00", "2026-03-29T07:00:00+02:00"),
        )
    )),
    *_table("the night in which the clocks go back", *(
        _in(zone, NIGHT, (zone, moment, outcome)) for zone, moment, outcome in (
            (BERLIN, "2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00+01:00"),
            (NEW_YORK, "2026-10-31T22:00:00-04:00", "2026-11-01T07:00:00-05:00"),
            (LORD_HOWE, "2027-04-03T22:00:00+11:00", "2027-04-04T07:00:00+10:30"),
            (SANTIAGO, "2026-04-04T22:00:00-03:00", "2026-04-05T07:00:00-04:00"),
            (CASABLANCA, "2026-02-14T22:00:00+01:00", "2026-02-15T07:00:00+00:00"),
            (TROLL, "2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00+00:00"),
        )
    )),
    *_table("its end is skipped", *(
        _in(zone, quiet, (boundary, moment, outcome)) for zone, quiet, boundary, moment, outcome in (
            (BERLIN, "22:00-02:30", "Berlin, within the gap", "2027-03-28T01:59:59.999999+01:00",
             "2027-03-28T03:00:00+02:00"),
            (BERLIN, "22:00-02:00", "Berlin, as the gap begins", "2027-03-28T01:59:00+01:00",
             "2027-03-28T03:00:00+02:00"),
            (BERLIN, "22:00-03:00", "Berlin, as the gap ends", "2027-03-28T01:58:00+01:00",
             "2027-03-28T03:00:00+02:00"),
            (BERLIN, "22:00-01:59", "Berlin, just before the gap", "2027-03-28T01:57:00+01:00",
             "2027-03-28T01:59:00+01:00"),
            (BERLIN, "22:00-03:01", "Berlin, just after the gap", "2027-03-28T01:57:00+01:00",
             "2027-03-28T03:01:00+02:00"),
            (NEW_YORK, "22:00-02:15", "New York", "2027-03-14T01:59:59.999999-05:00", "2027-03-14T03:00:00-04:00"),
            (LORD_HOWE, "22:00-02:15", "Lord Howe, half an hour", "2026-10-04T01:59:00+10:30",
             "2026-10-04T02:30:00+11:00"),
            (SANTIAGO, "22:00-00:00", "Santiago, midnight itself", "2026-09-05T23:59:59.999999-04:00",
             "2026-09-06T01:00:00-03:00"),
            (SANTIAGO, "22:00-00:30", "Santiago, after midnight", "2026-09-05T23:30:00-04:00",
             "2026-09-06T01:00:00-03:00"),
            (CASABLANCA, "22:00-02:30", "Casablanca, end of Ramadan", "2026-03-22T01:30:00+00:00",
             "2026-03-22T03:00:00+01:00"),
            (TROLL, "22:00-02:00", "Troll, two hours", "2026-03-29T00:30:00+00:00", "2026-03-29T03:00:00+02:00"),
            (ST_JOHNS, "22:00-02:30", "St John's, a half-hour zone", "2026-03-08T01:30:00-03:30",
             "2026-03-08T03:00:00-02:30"),
            (CHATHAM, "22:00-03:00", "Chatham, at 02:45", "2026-09-27T02:44:00+12:45", "2026-09-27T03:45:00+13:45"),
        )
    )),
    *_table("its start is skipped", *(
        _in(zone, quiet, *rows) for zone, quiet, *rows in (
            (BERLIN, "02:30-07:00",
             ("Berlin, before the gap", "2027-03-28T01:59:59.999999+01:00", "goes"),
             ("Berlin, after the gap", "2027-03-28T03:00:00+02:00", "2027-03-28T07:00:00+02:00")),
            (LORD_HOWE, "02:15-07:00",
             ("Lord Howe, before the gap", "2026-10-04T01:59:59.999999+10:30", "goes"),
             ("Lord Howe, after the gap", "2026-10-04T02:30:00+11:00", "2026-10-04T07:00:00+11:00")),
            (SANTIAGO, "00:00-06:00",
             ("Santiago, before midnight", "2026-09-05T23:59:59.999999-04:00", "goes"),
             ("Santiago, the day begins at one", "2026-09-06T01:00:00-03:00", "2026-09-06T06:00:00-03:00")),
        )
    )),
    *_table("all of it is skipped", *(
        _in(zone, quiet, (boundary, moment, "goes")) for zone, quiet, boundary, moment in (
            (BERLIN, "02:10-02:50", "Berlin, before", "2027-03-28T01:59:59.999999+01:00"),
            (BERLIN, "02:10-02:50", "Berlin, after", "2027-03-28T03:00:00+02:00"),
            (LORD_HOWE, "02:05-02:25", "Lord Howe, after", "2026-10-04T02:30:00+11:00"),
            (SANTIAGO, "00:00-01:00", "Santiago, after", "2026-09-06T01:00:00-03:00"),
            (TROLL, "01:00-03:00", "Troll, after", "2026-03-29T03:00:00+02:00"),
        )
    )),
    *_table("its start comes twice", *(
        _in(zone, quiet, *rows) for zone, quiet, *rows in (
            (SANTIAGO, "23:15-03:00",
             ("Santiago, the first time", "2027-04-03T23:46:00-03:00", "2027-04-03T23:00:00-04:00"),
             ("Santiago, the microsecond before the clocks go back", "2027-04-03T23:59:59.999999-03:00",
              "2027-04-03T23:00:00-04:00"),
             ("Santiago, between the two", "2027-04-03T23:05:00-04:00", "goes"),
             ("Santiago, the second time", "2027-04-03T23:15:00-04:00", "2027-04-04T03:00:00-04:00")),
            (HAVANA, "00:15-22:45",
             ("Havana, all day but a while", "2024-11-03T00:53:00-04:00", "2024-11-03T00:00:00-05:00")),
            (BERLIN, "02:30-07:00",
             ("Berlin, the first time", "2026-10-25T02:45:00+02:00", "2026-10-25T02:00:00+01:00"),
             ("Berlin, the second time", "2026-10-25T02:45:00+01:00", "2026-10-25T07:00:00+01:00")),
            (BERLIN, "02:30-07:00; 01:00-02:15",
             ("Berlin, another window as the clocks go back", "2026-10-25T02:45:00+02:00",
              "2026-10-25T02:15:00+01:00")),
            (BERLIN, "01:45-07:00",
             ("Berlin, quiet before and after", "2026-10-25T02:45:00+02:00", "2026-10-25T07:00:00+01:00")),
        )
    )),
    *_table("its end comes twice", *(
        _in(zone, quiet, *rows) for zone, quiet, *rows in (
            (BERLIN, "22:00-02:30",
             ("Berlin, before the first", "2026-10-25T02:29:59.999999+02:00", "2026-10-25T02:30:00+02:00"),
             ("Berlin, at the first", "2026-10-25T02:30:00+02:00", "goes"),
             ("Berlin, as the clocks go back", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"),
             ("Berlin, at the second", "2026-10-25T02:30:00+01:00", "goes")),
            (NEW_YORK, "22:00-01:30",
             ("New York, before the first", "2026-11-01T01:29:59.999999-04:00", "2026-11-01T01:30:00-04:00"),
             ("New York, as the clocks go back", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00")),
            (LORD_HOWE, "22:00-01:45",
             ("Lord Howe, before the first", "2027-04-04T01:44:00+11:00", "2027-04-04T01:45:00+11:00"),
             ("Lord Howe, at the first", "2027-04-04T01:45:00+11:00", "goes"),
             ("Lord Howe, as the clocks go back", "2027-04-04T01:30:00+10:30", "2027-04-04T01:45:00+10:30")),
            (SANTIAGO, "22:00-23:30",
             ("Santiago, before the first", "2026-04-04T23:00:00-03:00", "2026-04-04T23:30:00-03:00"),
             ("Santiago, as the clocks go back", "2026-04-04T23:00:00-04:00", "2026-04-04T23:30:00-04:00")),
            (TROLL, "22:00-02:00",
             ("Troll, before the first", "2026-10-25T01:59:00+02:00", "2026-10-25T02:00:00+02:00"),
             ("Troll, between the two", "2026-10-25T02:59:59.999999+02:00", "goes"),
             ("Troll, as the clocks go back", "2026-10-25T01:00:00+00:00", "2026-10-25T02:00:00+00:00")),
        )
    )),
    *_table("its start comes twice", _in(
        BERLIN, "02:30-07:00",
        ("before the first", "2026-10-25T02:29:59.999999+02:00", "goes"),
        ("at the first: until the clocks go back", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"),
        ("before the second", "2026-10-25T02:29:59.999999+01:00", "goes"),
        ("at the second", "2026-10-25T02:30:00+01:00", "2026-10-25T07:00:00+01:00"),
    )),
    *_table("all of it comes twice", _in(
        BERLIN, "02:10-02:20",
        ("the first", "2026-10-25T02:10:00+02:00", "2026-10-25T02:20:00+02:00"),
        ("the second", "2026-10-25T02:10:00+01:00", "2026-10-25T02:20:00+01:00"),
    )),
    *_table("the last hour of a day comes twice", _in(
        SANTIAGO, "23:00-00:00 Sat",
        ("the first", "2026-04-04T23:30:00-03:00", "2026-04-05T00:00:00-04:00"),
        ("the second", "2026-04-04T23:30:00-04:00", "2026-04-05T00:00:00-04:00"),
    )),
]  # fmt: skip

PLACES = [
    *_table("zones off by parts of an hour", *(
        _in(zone, NIGHT, (boundary, moment, outcome)) for zone, boundary, moment, outcome in (
            (KOLKATA, "Kolkata, the microsecond before", "2026-11-22T16:29:59.999999+00:00", "goes"),
            (KOLKATA, "Kolkata, as it begins", "2026-11-22T16:30:00+00:00", "2026-11-23T07:00:00+05:30"),
            (KOLKATA, "Kolkata, as it ends", "2026-11-23T01:30:00+00:00", "goes"),
            (KATHMANDU, "Kathmandu, the microsecond before", "2026-11-22T16:14:59.999999+00:00", "goes"),
            (KATHMANDU, "Kathmandu, as it begins", "2026-11-22T16:15:00+00:00", "2026-11-23T07:00:00+05:45"),
            (KATHMANDU, "Kathmandu, as it ends", "2026-11-23T01:15:00+00:00", "goes"),
            (CHATHAM, "Chatham, as it begins", "2026-11-22T08:15:00+00:00", "2026-11-23T07:00:00+13:45"),
            (ST_JOHNS, "St John's, as it begins", "2026-11-23T01:30:00+00:00", "2026-11-23T07:00:00-03:30"),
        )
    )),
    *_table("the day that Apia skipped", *(
        _in(APIA, quiet, (boundary, moment, outcome)) for quiet, boundary, moment, outcome in (
            (NIGHT, "Thursday's night passes into Friday's", "2011-12-29T22:00:00-10:00", "2011-12-31T07:00:00+14:00"),
            (f"{NIGHT} Thu", "Thursday's night ends with Thursday", "2011-12-29T22:00:00-10:00",
             "2011-12-31T00:00:00+14:00"),
            ("12:00-14:00 Fri", "Friday's noon never is", "2011-12-29T23:59:59.999999-10:00", "goes"),
            (f"{NIGHT} Fri", "Saturday morning is still Friday's night", "2011-12-31T06:59:00+14:00",
             "2011-12-31T07:00:00+14:00"),
        )
    )),
    *_table("one moment, everybody's own day", *(
        _in(zone, quiet, (zone, "2026-11-22T10:00:00+00:00", outcome)) for zone, quiet, outcome in (
            ("Pacific/Kiritimati", "00:00-06:00 Mon", "2026-11-23T06:00:00+14:00"),
            ("Pacific/Pago_Pago", "22:00-07:00 Sat", "2026-11-22T07:00:00-11:00"),
            (BERLIN, "10:00-12:00 Sun", "2026-11-22T12:00:00+01:00"),
            (NEW_YORK, "04:59-05:00 Sun", "goes"),
        )
    )),
]  # fmt: skip
CASES = [*PLAIN_DAYS, *WEEKS, *CLOCK_CHANGES, *PLACES]
