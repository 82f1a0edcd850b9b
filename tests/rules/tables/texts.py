"""What is read, chosen and refused: locales, variables, stored quiet hours, ids and links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.core.signing import Signer

from notifications.rules.data import DEEPEST, MOST_BYTES, MOST_PROBLEMS, is_text, own_value, problems_with
from notifications.rules.identity import first_id_at, time_of, user_key
from notifications.rules.links import (
    Subscription,
    preferences_token,
    read_preferences_token,
    read_unsubscribe_token,
    unsubscribe_token,
)
from notifications.rules.locales import choose_locale, fallback_chain, usable_locale
from notifications.rules.quiet_hours import parse_windows, zone

from .cases import DAYS, table


def _chosen(wanted: str, default: str, available: str) -> str:
    return choose_locale(wanted, default, available.split()) or "none"


def _chain(wanted: str, default: str) -> str:
    return " ".join(fallback_chain(wanted, default))


def _usable(text: str | None) -> str:
    return usable_locale(text) or "none"


LOCALES = [
    *table("translation", _chosen, [
        ("the very one", "de-AT", "en", "en de de-AT", "de-AT"),
        ("its language", "de-AT", "en", "en de de-CH", "de"),
        ("not another region's", "de-AT", "en", "en de-CH", "en"),
        ("spelled otherwise", "DE_at", "en", "en de-AT", "de-AT"),
        ("the project's own before English", "de", "fr", "en fr", "fr"),
        ("the language of the project's own", "de", "fr-CA", "en fr", "fr"),
        ("English before others", "de", "fr", "it en", "en"),
        ("any before none, the first by name", "de", "fr", "nl it pl", "it"),
        ("none", "de", "fr", "", "none"),
    ]),
    *table("chain of locales", _chain, [
        ("region, language, the project's own, English", "de-AT", "fr", "de-AT de fr en"),
        ("each once", "en-GB", "EN", "en-GB en"),
        ("nothing known", "", "", "en"),
    ]),
    *table("a locale as stored", _usable, [
        ("language", "de", "de"),
        ("three letters", "gsw", "gsw"),
        ("one letter", "d", "none"),
        ("region", "pt_BR", "pt_BR"),
        ("four parts", "aa-bb-cc-dd", "aa-bb-cc-dd"),
        ("a part of one letter", "de-a", "none"),
        ("sixteen letters, the most", "zh-abcdefgh-abcd", "zh-abcdefgh-abcd"),
        ("seventeen letters", "zh-abcdefgh-abcde", "none"),
        ("empty", "", "none"),
        ("none", None, "none"),
        ("a name for people", "German", "none"),
    ]),
]  # fmt: skip


def _problems(data: dict[str, object], variables: Mapping[str, str], per_recipient: str = "") -> str:
    found = problems_with(data, variables, per_recipient.split())
    return " ".join(f"{problem.pointer.removeprefix('/data')} {problem.code}" for problem in found) or "fits"


def _listed(*items: object) -> str:
    return _problems({"v": list(items)}, {"v": "list"})


def _nested(depth: int) -> str:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return _problems({"v": value}, {"v": "list"})


def _nested_objects(depth: int) -> str:
    value: object = "x"
    for _ in range(depth):
        value = {"x": value}
    return _problems({"v": value}, {"v": "dict"})


def _bytes(size: int) -> str:
    return _problems({"v": "x" * (size - len('{"v": ""}'))}, {"v": "str"})


def _many(unknown: int, missing: int) -> str:
    data = {f"u{number}": 1 for number in range(unknown)}
    return str(len(problems_with(data, {f"m{number}": "str" for number in range(missing)})))


def _unknown(*declared: str) -> str:
    (problem,) = problems_with({**dict.fromkeys(declared, 1), "x": 1}, dict.fromkeys(declared, "int"))
    return problem.detail


def _text(text: str) -> str:
    return "a text" if is_text(text) else "no text"


def _typed(value: object, kind: str) -> str:
    return _problems({"v": value}, {"v": kind})


def _own(value: object, kind: str) -> str:
    return repr(own_value(value, kind))


DATA = [
    *table("variables", _problems, [
        ("as declared", {"a": "x"}, {"a": "str"}, "fits"),
        ("none", {}, {}, "fits"),
        ("missing", {}, {"a": "str"}, "/a missing_variable"),
        ("missing, the recipient brings it", {}, {"a": "str"}, "a", "fits"),
        ("missing, the recipient brings another", {}, {"a": "str"}, "b", "/a missing_variable"),
        ("of the wrong type, though the recipient brings it", {"a": 1}, {"a": "str"}, "a", "/a wrong_type"),
        ("unknown", {"b": 1}, {}, "/b unknown_variable"),
        ("missing and unknown", {"b": 1}, {"a": "str"}, "/a missing_variable /b unknown_variable"),
    ]),
    *table("type of a variable", _typed, [
        ("text for text", "", "str", "fits"), ("number for text", 1, "str", "/v wrong_type"),
        ("True for a whole number", True, "int", "/v wrong_type"), ("True for a number", True, "float",
         "/v wrong_type"),
        ("True for a switch", True, "bool", "fits"), ("1 for a switch", 1, "bool", "/v wrong_type"),
        ("a whole number for a number", 1, "float", "fits"), ("a number for a whole one", 1.0, "int", "/v wrong_type"),
        ("a tuple for a list", (1,), "list", "/v wrong_type"),
    ]),
    *table("a value of the recipient's own", _own, [
        ("a text for a whole number", "5", "int", "None"), ("a whole number for a text", 5, "str", "None"),
        ("a whole number", 5, "int", "5"), ("a key for a text", UUID(int=7), "str", repr(str(UUID(int=7)))),
        ("a moment for a text", datetime(2026, 11, 22, 13, 30, tzinfo=UTC), "str", "'2026-11-22T13:30:00+00:00'"),
        ("an amount for a text", Decimal("1.50"), "str", "'1.50'"),
        ("a whole amount for a whole number", Decimal("2.00"), "int", "2"),
        ("a broken amount for a whole number", Decimal("1.5"), "int", "None"),
        ("a broken amount for a number", Decimal("1.5"), "float", "1.5"),
        ("an amount without end", Decimal("Infinity"), "float", "None"),
        ("an amount for a switch", Decimal(1), "bool", "None"), ("an amount for a list", Decimal(1), "list", "None"),
        ("a tuple for a list", (1, 2), "list", "[1, 2]"), ("a tuple for a text", ("x",), "str", "None"),
        ("a set for an object", {1}, "dict", "None"), ("NULL", None, "str", "None"),
    ]),
    *table("depth of lists", _nested, [("the most", DEEPEST, "fits"), ("one more", DEEPEST + 1, " not_plain")]),
    *table("depth of objects", _nested_objects, [
        ("the most", DEEPEST, "fits"), ("one more", DEEPEST + 1, " not_plain"),
    ]),
    *table("size", _bytes, [("the most", MOST_BYTES, "fits"), ("one byte more", MOST_BYTES + 1, " too_large")]),
    *table("number of problems", _many, [
        ("the most", MOST_PROBLEMS, 0, str(MOST_PROBLEMS)),
        ("one more", MOST_PROBLEMS + 1, 0, str(MOST_PROBLEMS)),
        ("the most missing, one unknown", 1, MOST_PROBLEMS, str(MOST_PROBLEMS)),
        ("one less", MOST_PROBLEMS - 1, 0, str(MOST_PROBLEMS - 1)),
    ]),
    *table("values", _listed, [
        ("all that JSON has", None, True, 1, 1.5, "x", [], {}, "fits"),
        ("a plain one beside one that is not", 1, b"x", " not_plain"),
        ("a good and a bad key", {"a": 1, 2: 1}, " not_plain"),
        ("a good and a bad value", {"a": 1, "b": b"x"}, " not_plain"),
        ("NUL in a key", {"a\x00": 1}, " not_text"),
        ("a text beside one with NUL", "x", "a\x00", " not_text"),
        ("a bad key further inside", {"a": {2: 1}}, " not_plain"),
        ("a bad key beside a good value", [1, {2: 1}], " not_plain"),
        ("a tuple inside", (1, "x"), "fits"),
        ("NUL in a tuple", ("a\x00",), " not_text"),
    ]),
    *table("an unknown variable", _unknown, [
        ("none is declared", "the template declares: none"), ("two are declared", "a", "b",
         "the template declares: a, b"),
    ]),
    *table("what is a text", _text, [
        ("empty", "", "a text"), ("NUL", "a\x00b", "no text"),
        ("just below the halves", "\ud7ff", "a text"), ("the first half", "\ud800", "no text"),
        ("the last half", "\udfff", "no text"), ("just above the halves", "\ue000", "a text"),
        ("one half among letters", "ab\ud800", "no text"),
    ]),
]  # fmt: skip


def _stored(value: object) -> str:
    try:
        found = parse_windows(value)  # type: ignore[arg-type]
    except ValueError as error:
        return str(error)
    return "; ".join(
        f"{window.start:%H:%M}-{window.end:%H:%M} {','.join(DAYS[day] for day in sorted(window.days))}"
        for window in found
    )


def _from(days: object) -> str:
    return _stored([{"days": days, "start": "22:00", "end": "07:00"}])


def _zone(name: str | None) -> str:
    found = zone(name)
    return found.key if found else "none"


BAD_DAYS = "days must be a list of numbers from 0 (Monday) to 6 (Sunday)"
GOOD = {"start": "22:00", "end": "07:00"}
STORED = [
    *table("stored quiet hours", _stored, [
        ("none", [], ""),
        ("a tuple of them", (GOOD,), "22:00-07:00 Mon,Tue,Wed,Thu,Fri,Sat,Sun"),
        ("one that is none among others", [GOOD, "22:00-07:00"], "quiet hours must be a list of windows"),
        ("an object in place of the list", GOOD, "quiet hours must be a list of windows"),
        ("a text in place of the list", "22:00", "quiet hours must be a list of windows"),
        ("no start", [{"end": "07:00"}], 'start must be a time such as "22:00"'),
        ("start and end alike", [{"start": "22:00", "end": "22:00"}], "start and end must differ"),
        ("a time with a zone", [{"start": "22:00Z", "end": "07:00"}],
         "start must be a time without a zone; the recipient's own applies"),
    ]),
    *table("stored days", _from, [
        ("Monday, the first", [0], "22:00-07:00 Mon"),
        ("Sunday, the last", [6], "22:00-07:00 Sun"),
        ("one before Monday", [-1], BAD_DAYS),
        ("one after Sunday", [7], BAD_DAYS),
        ("none", [], BAD_DAYS),
        ("a good and a bad one", [0, 7], BAD_DAYS),
        ("True is no Tuesday", [True], BAD_DAYS),
        ("a number in place of the list", 3, BAD_DAYS),
        ("a tuple, which JSON has not", (0, 1), BAD_DAYS),
    ]),
    *table("time zone", _zone, [
        ("by its name", "Asia/Kathmandu", "Asia/Kathmandu"), ("none", None, "none"), ("empty", "", "none"),
        ("of another planet", "Mars/Olympus", "none"), ("a path", "../../etc/passwd", "none"),
    ]),
]  # fmt: skip


def _owner(recipient: str) -> str:
    found = user_key(recipient)
    return "nobody" if found is None else found


def _id_time(microseconds: int) -> str:
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return f"{time_of(first_id_at(moment)):%H:%M:%S.%f}"


def _id_order(microseconds: int) -> str:
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    other = first_id_at(moment + timedelta(microseconds=microseconds))
    return "earlier" if other < first_id_at(moment) else "not earlier"


IDS = [
    *table("whose delivery", _owner, [
        ("a user's", "u:42", "42"), ("an address's", "a:0f3e", "nobody"), ("a broadcast's", "", "nobody"),
        ("a key like one of ours", "u:u:1", "u:1"),
    ]),
    *table("time of an id", _id_time, [
        ("the microsecond before the millisecond ends", 999, "12:00:00.000000"), ("as it ends", 1_000,
         "12:00:00.001000"),
    ]),
    *table("order of ids", _id_order, [
        ("the microsecond before", -1, "earlier"), ("the same moment", 0, "not earlier"),
    ]),
]  # fmt: skip

PAUL = Subscription("u:1", "social", "email")
EVE = Subscription("a:0f3e", "social", "sms", "0f3e")


def _link(token: str) -> str:
    found = read_unsubscribe_token(token)
    return "/".join(found) if found else "none of ours"


def _page(token: str) -> str:
    return read_preferences_token(token) or "none of ours"


def _unsubscribe(value: object) -> str:
    return Signer(salt="carillon.unsubscribe").sign_object(value)


def _preferences(value: object) -> str:
    return Signer(salt="carillon.preferences").sign_object(value)


def _long(letters: int) -> str:
    recipient = "u:" + "1" * (letters - 2)
    token = preferences_token(recipient)
    return f"{len(token)} letters, {'opens' if read_preferences_token(token) == recipient else 'none of ours'}"


LINKS = [
    *table("unsubscribe link", _link, [
        ("a user's", unsubscribe_token(PAUL), "u:1/social/email/"),
        ("an address's", unsubscribe_token(EVE), "a:0f3e/social/sms/0f3e"),
        ("of the preference page", preferences_token("u:1"), "none of ours"),
        ("one letter changed", "x" + unsubscribe_token(PAUL), "none of ours"),
        ("empty", "", "none of ours"),
        ("too few values", _unsubscribe(["u:1", "social", "email"]), "none of ours"),
        ("too many values", _unsubscribe(["u:1", "social", "email", "", ""]), "none of ours"),
        ("a value that is no text", _unsubscribe(["u:1", "social", "email", 1]), "none of ours"),
        ("four letters in place of a list", _unsubscribe("abcd"), "none of ours"),
        ("an object in place of a list", _unsubscribe({"a": "", "b": "", "c": "", "d": ""}), "none of ours"),
        ("a number", _unsubscribe(4), "none of ours"),
    ]),
    *table("length of a link", _long, [
        ("the most", 1_463, "2000 letters, opens"), ("one more", 1_464, "2002 letters, none of ours"),
    ]),
    *table("preference page", _page, [
        ("a user's", preferences_token("u:1"), "u:1"),
        ("of an unsubscribe link", unsubscribe_token(PAUL), "none of ours"),
        ("two values", _preferences(["u:1", "u:2"]), "none of ours"),
        ("a number", _preferences([1]), "none of ours"),
        ("a text in place of a list", _preferences("u"), "none of ours"),
        ("an object in place of a list", _preferences({"0": "u:1"}), "none of ours"),
        ("none", _preferences([]), "none of ours"),
    ]),
]  # fmt: skip
CASES = [*LOCALES, *DATA, *STORED, *IDS, *LINKS]
