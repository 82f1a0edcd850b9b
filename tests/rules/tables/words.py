"""What words become: amounts, texts that are cut or counted, templates, and what two versions differ in."""

from __future__ import annotations

from datetime import UTC, date
from fractions import Fraction

from django.utils import translation

from notifications.rules.money import money
from notifications.rules.push_payload import ELLIPSIS, ROOM, DoesNotFit, fit_body, payload_size
from notifications.rules.rendering import LARGEST, RenderError, compile_part, render_part
from notifications.rules.sms_segments import count_segments
from notifications.rules.word_diff import diff_words

from .cases import table


def _amount(value: object, currency: object, locale: str | None) -> str:
    with translation.override(locale):
        try:
            return money(value, currency)
        except ValueError as error:
            return str(error)


class _Reads:
    """A value that reads like another."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"reads {self.text}"


NO_AMOUNT, NO_CURRENCY = "not an amount", "not a currency of ISO 4217"
MONEY = [
    *table("amount", _amount, [
        ("one cent below the most", "999999999999999.99", "EUR", "en", "€999,999,999,999,999.99"),
        ("the most and one cent", 10**15, "EUR", "en", NO_AMOUNT),
        ("as far below nothing", -(10**15), "EUR", "en", NO_AMOUNT),
        ("without end", float("inf"), "EUR", "en", NO_AMOUNT),
        ("not a number", float("nan"), "EUR", "en", NO_AMOUNT),
        ("not a number that complains", "sNaN", "EUR", "en", NO_AMOUNT),
        ("a switch", True, "EUR", "en", NO_AMOUNT),
        ("a fraction, which no message carries", Fraction(3), "EUR", "en", NO_AMOUNT),
        ("in no language", 1, "EUR", None, "€1.00"),
        ("in a language of no region that is known", 1, "EUR", "de-XX", "1,00\xa0€"),
    ]),
    *table("currency", _amount, [
        ("a code that is none", 1, "XX1", "en", NO_CURRENCY),
        ("small letters", 1, "eur", "en", NO_CURRENCY),
        ("none", 1, None, "en", NO_CURRENCY),
        ("what only reads like one", 1, _Reads("EUR"), "en", NO_CURRENCY),
    ]),
]  # fmt: skip


def _fits(spare: int) -> str:
    """Answer for a body of two letters too many, with so many bytes to spare for it and the ellipsis."""
    title = "t" * (ROOM - payload_size("", "", "", "", {}) - spare)
    try:
        return fit_body(title, "b" * (spare + 2), "", "", {})
    except DoesNotFit:
        return "does not fit"


def _cut(before: str, after: str) -> str:
    """Answer what stays in front of the ellipsis if the room ends between the two."""
    left = ROOM - payload_size("t", "", "", "", {}) - len(ELLIPSIS.encode())
    filling = "x" * (left - len(before.encode()))
    fitted = fit_body("t", filling + before + after + "y" * 100, "", "", {})
    return fitted.removeprefix(filling).removesuffix(ELLIPSIS) or "nothing"


def _all_marks(count: int) -> str:
    return fit_body("t", "\u0301" * count, "", "", {})


PUSH = [
    *table("room for a body", _fits, [
        ("one byte less than the ellipsis takes", 2, "does not fit"),
        ("for nothing but the ellipsis", 3, ELLIPSIS),
        ("for one letter more", 4, "b" + ELLIPSIS),
    ]),
    *table("where a body is cut", _cut, [
        ("between letters", "a", "b", "a"),
        ("in front of the first skin tone", "👍", "\U0001f3fb", "nothing"),
        ("in front of the last skin tone", "👍", "\U0001f3ff", "nothing"),
        ("in front of what is just before skin tones", "👍", "\U0001f3fa", "👍"),
        ("in front of what is just behind them", "👍", "\U0001f400", "👍"),
        ("in front of an accent", "e", "\u0301", "nothing"),
        ("in front of an enclosing mark", "1", "\u20e3", "nothing"),
        ("in front of a vowel sign", "क", "\u093e", "nothing"),
        ("in front of a joiner", "👩", "\u200d", "nothing"),
        ("within a flag of the first letter and the last", "\U0001f1e6", "\U0001f1ff", "nothing"),
        ("within a flag of the last letter and the first", "\U0001f1ff", "\U0001f1e6", "nothing"),
        ("between two flags", "🇩🇪", "🇫🇷", "🇩🇪"),
        ("in front of a flag", "a", "🇫🇷", "a"),
    ]),
    *table("a body of marks alone", _all_marks, [("more than fit", 5_000, ELLIPSIS)]),
]  # fmt: skip


def _rendered(source: str, data: dict[str, object]) -> str:
    """Answer the text, or its length if it is long."""
    try:
        text = render_part(compile_part(source, escape=False), data, "en", UTC)
    except RenderError as error:
        return str(error)
    return text if len(text) <= 60 else f"{len(text)} letters"


def _source(letters: int) -> str:
    return _rendered("x" * letters, {})


def _places(singular: int, plural: int = 0) -> str:
    """Answer for a translation that prints so many variables, each with words around it."""
    words = "{{ v }}, " * singular
    if not plural:
        return _rendered(f"{{% blocktranslate %}}{words}{{% endblocktranslate %}}", {"v": "x"})
    words += "{% plural %}" + "{{ v }}, " * plural
    return _rendered(f"{{% blocktranslate count n=1 %}}{words}{{% endblocktranslate %}}", {"v": "x"})


def _listed(count: int) -> str:
    return _rendered("{% if v|slice:':' %}x{% endif %}", {"v": [1] * count})


def _joined(count: int, letters: int) -> str:
    return _rendered("{{ v|join:s }}", {"v": [""] * count, "s": "x" * letters})


TOO_LARGE = f"is larger than {LARGEST // 1024} KiB when rendered"
TOO_LONG = f"is longer than {LARGEST // 1024} KiB"
TOO_MANY = "blocktranslate prints more than 100 variables"
ENGINE = [
    *table("length of a template", _source, [
        ("the most", LARGEST, f"{LARGEST} letters"), ("one letter more", LARGEST + 1, TOO_LONG),
    ]),
    *table("variables of a translation", _places, [
        ("the most", 100, "300 letters"), ("one more", 101, TOO_MANY),
        ("the most in two numbers", 50, 50, "150 letters"), ("one more in two numbers", 50, 51, TOO_MANY),
    ]),
    *table("length of a list in words", _listed, [
        ("the most", LARGEST, "x"), ("one more", LARGEST + 1, "v grows beyond 256 KiB"),
    ]),
    *table("look-up", _rendered, [
        ("the first of a list", "{{ v.0 }}", {"v": ["a", "b"]}, "a"),
        ("the last of a list", "{{ v.1 }}", {"v": ["a", "b"]}, "b"),
        ("beyond the last", "{{ v.2 }}", {"v": ["a", "b"]}, "variable v.2 is missing"),
        ("a letter of a text", "{{ v.0 }}", {"v": "ab"}, "variable v.0 is missing"),
        ("a number in other digits", "{{ v.٠ }}", {"v": ["a"]}, "variable v.٠ is missing"),
        ("a raised number", "{{ v.² }}", {"v": ["a"]}, "variable v.² is missing"),
        ("a name in a list", "{{ v.first }}", {"v": ["a"]}, "variable v.first is missing"),
        ("the keys of a mapping", "{% for k in v.keys %}{{ k }}{% endfor %}", {"v": {"a": 1}}, "a"),
        ("a mapping's own key of that name", "{{ v.keys }}", {"v": {"keys": "x"}}, "x"),
        ("the keys of a list", "{{ v.keys }}", {"v": ["a"]}, "variable v.keys is missing"),
        ("a method of a mapping", "{{ v.copy }}", {"v": {"a": 1}}, "variable v.copy is missing"),
        ("a group's count", "{% regroup v by k as g %}{{ g.0.count }}", {"v": [{"k": 1}]},
         "variable g.0.count is missing"),
        ("a group's name", "{% regroup v by k as g %}{{ g.0.grouper }}", {"v": [{"k": 1}]}, "1"),
        ("the list of what is no group", "{{ v.list }}", {"v": "a"}, "variable v.list is missing"),
    ]),
]  # fmt: skip
LIBRARY = [
    *table("what words may do", _rendered, [
        ("a zone for a while", "{% timezone 'Asia/Kolkata' %}{{ v|date:'H:i' }}{% endtimezone %}",
         {"v": "2026-11-22T20:00:00Z"}, "01:30"),
        ("a time without a zone is nobody's", "{% timezone 'Asia/Kolkata' %}{{ v|date:'H:i' }}{% endtimezone %}",
         {"v": "2026-11-22T20:00:00"}, "20:00"),
        ("a day as people write it", "{{ v|date:'j.n.' }}", {"v": "2026-1-5"}, "5.1."),
        ("a day of the calendar", "{{ v|date:'j.n. H:i' }}", {"v": date(2026, 1, 5)},
         "rendering failed with TypeError"),
        ("to ask for the reader's zone", "{% get_current_timezone as z %}{{ z }}", {},
         "Invalid block tag on line 1: 'get_current_timezone'. Did you forget to register or load this tag?"),
        ("to leave escaping out", "{{ v|safe }}", {"v": "x"}, "Invalid filter: 'safe'"),
    ]),
    *table("width", _rendered, [
        ("the most", "{{ v|center:1000 }}", {"v": "x"}, "1000 letters"),
        ("one more", "{{ v|center:1001 }}", {"v": "x"}, "rendering failed with ValueError"),
        ("one of two numbers is too large", "{{ v|stringformat:'5.1001f' }}", {"v": 1.5},
         "rendering failed with ValueError"),
        ("none is named", "{{ v|stringformat:'d' }}", {"v": 1}, "1"),
    ]),
    *table("joined", _joined, [
        ("the most", 512, 512, f"{511 * 512} letters"), ("more", 512, 513, "rendering failed with ValueError"),
    ]),
]  # fmt: skip


def _segments(text: str) -> str:
    return str(count_segments(text))


SMS = [
    *table("units of a letter", _segments, [
        ("the last of two bytes", "\uffff", "1 × UCS-2, 1 units"),
        ("the first of more", "\U00010000", "1 × UCS-2, 2 units"),
        ("of the alphabet", "a", "1 × GSM-7, 1 units"),
        ("of the alphabet's extension", "€", "1 × GSM-7, 2 units"),
        ("of neither, beside one of the alphabet", "aя", "1 × UCS-2, 2 units"),
    ]),
]  # fmt: skip
SIGNS = {"same": "=", "removed": "-", "added": "+"}


def _difference(before: dict[str, str], after: dict[str, str]) -> str:
    """Answer the lines of each part that differs."""
    found = diff_words({("sms", "en"): before}, {("sms", "en"): after})
    parts = [f"{part.part}: {' '.join(SIGNS[kind] + line for kind, line in part.lines)}" for part in found]
    return "; ".join(parts) or "none"


DIFF = [
    *table("difference of words", _difference, [
        ("the same", {"text": "a"}, {"text": "a"}, "none"),
        ("a part that is empty, and one that is not there", {"text": ""}, {}, "none"),
        ("one line of three", {"text": "a\nb\nc"}, {"text": "a\nd\nc"}, "text: =a -b +d =c"),
        ("the end of the last line", {"text": "a\n"}, {"text": "a"}, "text: -a\n +a"),
        ("a line without its end counts as the same", {"text": "a\nb\n"}, {"text": "a\nc"}, "text: =a -b +c"),
        ("a new part", {}, {"text": "a"}, "text: +a"),
    ]),
]  # fmt: skip
CASES = [*MONEY, *PUSH, *ENGINE, *LIBRARY, *SMS, *DIFF]
