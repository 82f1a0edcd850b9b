"""Whether, when and where one recipient is notified: on Sunday 2026-11-22, 13:00 in Berlin, unless a case says more."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from notifications.enums import Channel
from notifications.rules.planning import Person, Plan, Target, decide, when
from notifications.rules.preferences import Wishes, is_wanted, is_wanted_on

from .cases import at, table, windows

BERLIN, KOLKATA, UTC = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
NOW, BEFORE, AFTER = "2026-11-22T13:00:00+01:00", "2026-11-22T12:59:59.999999+01:00", "2026-11-22T13:00:00.000001+01:00"
LUNCH, NIGHT = "12:00-14:00", "22:00-07:00"
PUSH, SMS, EMAIL = Channel.PUSH, Channel.SMS, Channel.EMAIL
PHONE, TABLET = Target(PUSH, "phone", "1", str(UUID(int=1))), Target(PUSH, "tablet", "2", str(UUID(int=2)))
NUMBER = Target(SMS, "+49", "3")


def _when(zone: str, quiet: str, now: str, **times: str) -> str:
    mandatory = bool(times.pop("mandatory", ""))
    plan = Plan("social", mandatory, [PUSH], {PUSH}, at(now), UTC, **{name: at(text) for name, text in times.items()})
    where = ZoneInfo(zone)
    state, reason, due = when(Person("u:1", Wishes(quiet_hours=windows(quiet))), plan, where)
    told = "" if due == at(now) else f" at {due.astimezone(where).isoformat()}"
    return f"{state} {reason}{told}"


def _asked(given: dict[str, str]) -> str:
    return _when(**{"zone": "Europe/Berlin", "quiet": "", "now": NOW, **given})


def _due(quiet: str, **times: str) -> dict[str, str]:
    return {"quiet": quiet, **times}


ENDS = "2026-11-22T14:00:00+01:00"
ENDS_BEFORE, ENDS_AFTER = "2026-11-22T13:59:59.999999+01:00", "2026-11-22T14:00:00.000001+01:00"
FIVE = "2026-11-22T17:00:00+01:00"

SCHEDULES = table("schedule", _asked, [
    ("none", _due(""), "pending new"),
    ("the microsecond before now", _due("", send_at=BEFORE), "pending new"),
    ("now", _due("", send_at=NOW), "pending new"),
    ("the microsecond after now", _due("", send_at=AFTER), f"pending scheduled at {AFTER}"),
    ("yesterday", _due("", send_at="2026-11-21T13:00:00+01:00"), "pending new"),
    ("given in another zone", _due("", send_at="2026-11-22T21:30:00+05:30"), f"pending scheduled at {FIVE}"),
    ("into quiet hours", _due(LUNCH, send_at="2026-11-22T13:30:00+01:00"), f"pending quiet_hours at {ENDS}"),
    ("the last quiet microsecond", _due(LUNCH, send_at=ENDS_BEFORE), f"pending quiet_hours at {ENDS}"),
    ("as quiet hours end", _due(LUNCH, send_at=ENDS), f"pending scheduled at {ENDS}"),
    ("in quiet hours for after them", _due(LUNCH, send_at=FIVE), f"pending scheduled at {FIVE}"),
    ("into tonight", _due(NIGHT, send_at="2026-11-22T22:00:00+01:00"),
     "pending quiet_hours at 2026-11-23T07:00:00+01:00"),
    ("into tonight, mandatory", _due(NIGHT, send_at="2026-11-22T22:00:00+01:00", mandatory="yes"),
     "pending scheduled at 2026-11-22T22:00:00+01:00"),
    ("into the hour that comes twice",
     _due("22:00-02:30", send_at="2026-10-25T02:10:00+01:00", now="2026-10-24T20:00:00+02:00"),
     "pending quiet_hours at 2026-10-25T02:30:00+01:00"),
])  # fmt: skip

QUIET = table("quiet hours or now", _asked, [
    ("in them", _due(LUNCH), f"pending quiet_hours at {ENDS}"),
    ("in them, mandatory", _due(LUNCH, mandatory="yes"), "pending new"),
    ("as they begin", _due("13:00-14:00"), f"pending quiet_hours at {ENDS}"),
    ("as they end", _due("12:00-13:00"), "pending new"),
    ("a whole week: asked again in a week", _due("00:00-12:00; 12:00-00:00"),
     "pending quiet_hours at 2026-11-29T13:00:00+01:00"),
    ("in Kolkata it is half past five", _due("17:00-18:00", zone="Asia/Kolkata"),
     "pending quiet_hours at 2026-11-22T18:00:00+05:30"),
    ("in Kathmandu it is a quarter to six", _due("17:45-18:00", zone="Asia/Kathmandu"),
     "pending quiet_hours at 2026-11-22T18:00:00+05:45"),
    ("in Kathmandu a minute before", _due("17:46-18:00", zone="Asia/Kathmandu"), "pending new"),
    ("in Lord Howe it is night", _due(NIGHT, zone="Australia/Lord_Howe"),
     "pending quiet_hours at 2026-11-23T07:00:00+11:00"),
    ("in Santiago it is morning", _due(NIGHT, zone="America/Santiago"), "pending new"),
    ("over the spring change", _due(NIGHT, now="2027-03-27T23:00:00+01:00"),
     "pending quiet_hours at 2027-03-28T07:00:00+02:00"),
    ("over the autumn change", _due(NIGHT, now="2026-10-24T23:00:00+02:00"),
     "pending quiet_hours at 2026-10-25T07:00:00+01:00"),
])  # fmt: skip

EXPIRIES = table("expiry", _asked, [
    ("the microsecond before now", _due("", expires_at=BEFORE), "expired ttl"),
    ("now", _due("", expires_at=NOW), "expired ttl"),
    ("the microsecond after now", _due("", expires_at=AFTER), "pending new"),
    ("now, mandatory", _due("", expires_at=NOW, mandatory="yes"), "expired ttl"),
    ("the microsecond after now, mandatory", _due(LUNCH, expires_at=AFTER, mandatory="yes"), "pending new"),
    ("the microsecond before quiet hours end", _due(LUNCH, expires_at=ENDS_BEFORE), "expired ttl"),
    ("as quiet hours end", _due(LUNCH, expires_at=ENDS), "expired ttl"),
    ("the microsecond after quiet hours end", _due(LUNCH, expires_at=ENDS_AFTER), f"pending quiet_hours at {ENDS}"),
    ("before its schedule", _due("", send_at=ENDS, expires_at=ENDS_BEFORE), "expired ttl"),
    ("as scheduled", _due("", send_at=ENDS, expires_at=ENDS), "expired ttl"),
    ("the microsecond after its schedule", _due("", send_at=ENDS, expires_at=ENDS_AFTER),
     f"pending scheduled at {ENDS}"),
    ("scheduled for the past", _due("", send_at=BEFORE, expires_at=AFTER), "pending new"),
    ("scheduled into quiet hours that end too late", _due(LUNCH, send_at="2026-11-22T13:30:00+01:00", expires_at=ENDS),
     "expired ttl"),
    ("the hour that is skipped does not make it late",
     _due(NIGHT, now="2027-03-28T01:00:00+01:00", expires_at="2027-03-28T07:00:00.000001+02:00"),
     "pending quiet_hours at 2027-03-28T07:00:00+02:00"),
    ("the hour that comes twice makes it late",
     _due(NIGHT, now="2026-10-25T00:00:00+02:00", expires_at="2026-10-25T07:00:00+02:00"), "expired ttl"),
])  # fmt: skip


def _decided(person: Person, plan: Plan, suppressed: str, guests: str) -> str:
    found = decide(
        person, plan, lambda target: target.address in suppressed.split(), lambda address: address in guests.split()
    )
    return "; ".join(
        f"{item.channel} {item.target.address if item.target else 'nobody'} {item.state} {item.reason} {item.zone.key}"
        for item in found
    )


ADA = Person("u:1", targets=(PHONE, NUMBER), zone=BERLIN)
PLAN = Plan("social", False, [PUSH], {PUSH, SMS}, at(NOW), UTC)
EVERYBODY = "phone tablet +49"
NO_PUSH = Wishes(channels={"push": False}, devices={str(UUID(int=1)): False}, quiet_hours=windows(LUNCH))
NO_PHONE = replace(NO_PUSH, channels={})
QUIET_NOW = Wishes(quiet_hours=windows(LUNCH))
LATE = replace(PLAN, expires_at=at(NOW))
NO_WORDS = replace(LATE, with_words=set())
CRITICAL = replace(PLAN, mandatory=True)

TARGETS = table("order of the rules", _decided, [
    ("nothing speaks against it", ADA, PLAN, "", EVERYBODY, "push phone pending new Europe/Berlin"),
    ("words first", ADA._replace(wishes=NO_PUSH, targets=()), NO_WORDS, "phone", "",
     "push nobody skipped no_template Europe/Berlin"),
    ("then the channel", ADA._replace(wishes=NO_PUSH, targets=()), LATE, "phone", "",
     "push nobody skipped preference Europe/Berlin"),
    ("then the address", ADA._replace(wishes=NO_PHONE, targets=()), LATE, "phone", "",
     "push nobody skipped no_address Europe/Berlin"),
    ("an address of another channel is none", ADA._replace(targets=(NUMBER,)), LATE, "", "",
     "push nobody skipped no_address Europe/Berlin"),
    ("then the device", ADA._replace(wishes=NO_PHONE), LATE, "phone", "",
     "push phone skipped preference Europe/Berlin"),
    ("then the guest list", ADA._replace(wishes=QUIET_NOW), LATE, "phone", "",
     "push phone skipped guest_list Europe/Berlin"),
    ("then suppression", ADA._replace(wishes=QUIET_NOW), LATE, "phone", EVERYBODY,
     "push phone skipped suppression Europe/Berlin"),
    ("then expiry", ADA._replace(wishes=QUIET_NOW), LATE, "", EVERYBODY, "push phone expired ttl Europe/Berlin"),
    ("then quiet hours", ADA._replace(wishes=QUIET_NOW), PLAN, "", EVERYBODY,
     "push phone pending quiet_hours Europe/Berlin"),
    ("mandatory: neither channel, device nor quiet hours", ADA._replace(wishes=NO_PUSH), CRITICAL, "", EVERYBODY,
     "push phone pending new Europe/Berlin"),
    ("mandatory: but suppression", ADA, CRITICAL, "phone", EVERYBODY, "push phone skipped suppression Europe/Berlin"),
    ("mandatory: but the guest list", ADA, CRITICAL, "", "", "push phone skipped guest_list Europe/Berlin"),
    ("mandatory: but words", ADA, replace(CRITICAL, with_words=set()), "", EVERYBODY,
     "push nobody skipped no_template Europe/Berlin"),
    ("mandatory: but an address", ADA._replace(targets=()), CRITICAL, "", EVERYBODY,
     "push nobody skipped no_address Europe/Berlin"),
    ("one of two devices suppressed", ADA._replace(targets=(PHONE, TABLET)), PLAN, "tablet", EVERYBODY,
     "push phone pending new Europe/Berlin; push tablet skipped suppression Europe/Berlin"),
    ("one of two devices switched off", ADA._replace(wishes=replace(NO_PHONE, quiet_hours=()), targets=(PHONE,
     TABLET)), PLAN, "",
     EVERYBODY, "push phone skipped preference Europe/Berlin; push tablet pending new Europe/Berlin"),
    ("one of two devices on the guest list", ADA._replace(targets=(PHONE, TABLET)), PLAN, "", "tablet",
     "push phone skipped guest_list Europe/Berlin; push tablet pending new Europe/Berlin"),
    ("two channels in the plan's order", ADA, replace(PLAN, channels=[SMS, PUSH]), "", EVERYBODY,
     "sms +49 pending new Europe/Berlin; push phone pending new Europe/Berlin"),
    ("two channels, words for one", ADA, replace(PLAN, channels=[SMS, EMAIL]), "", EVERYBODY,
     "sms +49 pending new Europe/Berlin; email nobody skipped no_template Europe/Berlin"),
    ("no channel", ADA, replace(PLAN, channels=[]), "", EVERYBODY, ""),
    ("zone of the device", ADA._replace(targets=(PHONE._replace(zone=KOLKATA),)), PLAN, "", EVERYBODY,
     "push phone pending new Asia/Kolkata"),
    ("zone of the person", ADA, replace(PLAN, default_zone=KOLKATA), "", EVERYBODY,
     "push phone pending new Europe/Berlin"),
    ("zone of the project", ADA._replace(zone=None), PLAN, "", EVERYBODY, "push phone pending new UTC"),
    ("zone of the project where nobody is reached", ADA._replace(zone=None, targets=()), PLAN, "", EVERYBODY,
     "push nobody skipped no_address UTC"),
    ("a device's night is not its owner's", ADA._replace(wishes=Wishes(quiet_hours=windows("17:00-18:00")),
     targets=(PHONE, TABLET._replace(zone=KOLKATA))), PLAN, "", EVERYBODY,
     "push phone pending new Europe/Berlin; push tablet pending quiet_hours Asia/Kolkata"),
])  # fmt: skip


def _wanted(channels: object, categories: object, mandatory: str) -> str:
    wishes = Wishes(channels=channels, categories=categories)  # type: ignore[arg-type]
    return "wanted" if is_wanted(wishes, "social", "push", mandatory=bool(mandatory)) else "unwanted"


def _wanted_on(devices: object, device: int | None, mandatory: str) -> str:
    wishes = Wishes(devices=devices)  # type: ignore[arg-type]
    found = is_wanted_on(wishes, None if device is None else UUID(int=device), mandatory=bool(mandatory))
    return "wanted" if found else "unwanted"


OFF_1 = {str(UUID(int=1)): False}
PREFERENCES = [
    *table("preference", _wanted, [
        ("nothing said", {}, {}, "", "wanted"),
        ("channel off", {"push": False}, {}, "", "unwanted"),
        ("channel off, mandatory", {"push": False}, {}, "mandatory", "wanted"),
        ("another channel off", {"sms": False}, {}, "", "wanted"),
        ("category off", {}, {"social": {"push": False}}, "", "unwanted"),
        ("category off, mandatory", {}, {"social": {"push": False}}, "mandatory", "wanted"),
        ("category off on another channel", {}, {"social": {"sms": False}}, "", "wanted"),
        ("another category off", {}, {"orders": {"push": False}}, "", "wanted"),
        ("channel on, category off", {"push": True}, {"social": {"push": False}}, "", "unwanted"),
        ("channel off, category on", {"push": False}, {"social": {"push": True}}, "", "unwanted"),
        ("both on", {"push": True}, {"social": {"push": True}}, "", "wanted"),
        ("null is no switch", {"push": None}, {"social": {"push": None}}, "", "wanted"),
        ("0 is no switch", {"push": 0}, {"social": {"push": 0}}, "", "wanted"),
        ("a list for channels", [], {}, "", "wanted"),
        ("a text for a category", {}, {"social": "push"}, "", "wanted"),
        ("null for categories", {}, None, "", "wanted"),
    ]),
    *table("preference per device", _wanted_on, [
        ("nothing said", {}, 1, "", "wanted"),
        ("this one off", OFF_1, 1, "", "unwanted"),
        ("another one off", OFF_1, 2, "", "wanted"),
        ("this one on", {str(UUID(int=1)): True}, 1, "", "wanted"),
        ("this one off, mandatory", OFF_1, 1, "mandatory", "wanted"),
        ("an address that is no device", {"None": False}, None, "", "wanted"),
        ("a list for devices", [str(UUID(int=1))], 1, "", "wanted"),
    ]),
]  # fmt: skip
CASES = [*SCHEDULES, *QUIET, *EXPIRIES, *TARGETS, *PREFERENCES]
