"""What words become: amounts, texts that are cut or counted, templates, and what two versions differ in."""

from __future__ import annotations

from datetime import UTC, date
from fractions import Fraction

from django.utils import translation

from notifications.rules.money import money
from notifications.rules.push_payload import ELLIPSIS, ROOM, DoesNotFit, fit_body, payload_size
from notifications.rules.rendering import LARGEST, RenderError, compile_part, render_part
from notifications.rules.sms_segments import count_segments
from notifications.rules.template_bounds import MOST_WORK
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


def _listed(count: int, first: str) -> str:
    """Answer for a list of so many letters, with one more text in front of them."""
    return _rendered("{% if v %}x{% endif %}", {"v": [first, *["x"] * count]})


def _touched(count: int, source: str) -> str:
    """Answer for a list of so many items that is looked at twice."""
    return _rendered("{% if v %}{% endif %}" + source, {"v": [None] * count})


def _joined(count: int, letters: int) -> str:
    return _rendered("{{ v|join:s }}", {"v": [""] * count, "s": "x" * letters})


TOO_LARGE = f"is larger than {LARGEST // 1024} KiB when rendered"
TOO_LONG = f"is longer than {LARGEST // 1024} KiB"
TOO_OFTEN = "takes too many steps to render: its lists or texts are gone through too often"
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
        ("the most", LARGEST // 2 - 1, "y", "x"),
        ("one letter more", LARGEST // 2 - 1, "yy", "v grows beyond 256 KiB"),
        ("one item more", LARGEST // 2, "", "v grows beyond 256 KiB"),
    ]),
    *table("how often a list is looked at", _touched, [
        ("the most", MOST_WORK // 2 - 1, "{% if v %}x{% endif %}", "x"),
        ("one item more", MOST_WORK // 2, "{% if v %}x{% endif %}", TOO_OFTEN),
        ("one item more, within a comparison", MOST_WORK // 2, "{% if v or 1 %}x{% endif %}", TOO_OFTEN),
    ]),
    *table("length of a translation", _rendered, [
        ("the most", "{% blocktranslate %}{{ v }}{% endblocktranslate %}", {"v": "x" * (LARGEST // 2)},
         f"{LARGEST // 2} letters"),
        ("two letters more", "{% blocktranslate %}{{ v }}{% endblocktranslate %}", {"v": "x" * (LARGEST // 2 + 2)},
         TOO_LARGE),
    ]),
    *table("what texts cost", _rendered, [
        ("a filter reads two letters at a time", "{% if v|lower %}{% endif %}" * 8 + "x", {"v": "x" * 60_000}, "x"),
        ("once too often", "{% if v|lower %}{% endif %}" * 9 + "x", {"v": "x" * 60_000}, TOO_OFTEN),
        ("an argument, letter by letter", "{% if v|add:v %}{% endif %}" * 2 + "x", {"v": "x" * 60_000}, "x"),
        ("one that is no text costs nothing", "{% if v|add:1 %}{% endif %}" * 20 + "x", {"v": 1}, "x"),
        ("for each item of a list", "{{ v|join:', ' }}", {"v": ["x"] * 1_000}, "2998 letters"),
        ("a long one for each item of a list", "{{ v|join:s }}", {"v": ["x"] * 9_000, "s": "y" * 1_000}, TOO_OFTEN),
        ("a text that is kept", "{% firstof v as a %}" * 9 + "x", {"v": "x" * 60_000}, TOO_OFTEN),
        ("a short text that is kept", "{% firstof v as a %}{{ a }}", {"v": "x"}, "x"),
        ("a mapping inside a list", "{% if v %}x{% endif %}", {"v": [{"k": "y" * (LARGEST - 4)}]}, "x"),
        ("a longer mapping inside a list", "{% if v %}x{% endif %}", {"v": [{"k": "y" * (LARGEST - 3)}]},
         "v grows beyond 256 KiB"),
        ("long numbers inside a list", "{% if v %}x{% endif %}", {"v": [10**4_000] * 80}, "v grows beyond 256 KiB"),
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
NULL = "variable v is null: it says nothing that could be printed"
BLANKS = [
    *table("what says nothing", _rendered, [
        ("a number written otherwise", "{{ v|floatformat:2 }}", {"v": "12,50"}, "floatformat can make nothing of v"),
        ("an empty text for a number", "{{ v|floatformat }}", {"v": ""}, "floatformat can make nothing of v"),
        ("a number", "{{ v|floatformat:2 }}", {"v": "12.5"}, "12.50"),
        ("a number in place of a moment", "{{ v|date }}", {"v": 5}, "date can make nothing of v"),
        ("a moment in another zone, which must be printed by `timezone`", "{{ v|utc }}", {"v": "2026-11-22"},
         "utc can make nothing of v"),
        ("a sum of a number and a word", "{{ v|add:'x' }}", {"v": 5}, "add can make nothing of v"),
        ("a sum of empty texts", "{{ v|add:'' }}", {"v": ""}, ""),
        ("a format that does not fit", "{{ v|stringformat:'d' }}", {"v": "x"}, "stringformat can make nothing of v"),
        ("an empty text formatted", "{{ v|stringformat:'s' }}", {"v": ""}, ""),
        ("what has no such key sorted", "{% for i in v|dictsort:'k' %}{{ i }}{% endfor %}", {"v": [{}]},
         "dictsort can make nothing of v"),
        ("the first of none", "{{ v|first }}", {"v": []}, "first can make nothing of v"),
        ("the last of none", "{{ v|last }}", {"v": []}, "last can make nothing of v"),
        ("the first of some", "{{ v|first }}", {"v": [""]}, ""),
        ("the last of some", "{{ v|last }}", {"v": ["a", "b"]}, "b"),
        ("more said after it", "{{ v|floatformat:2|add:' EUR' }}", {"v": "x"}, "floatformat can make nothing of v"),
        ("kept for later", "{% with n=v|first %}x{% endwith %}", {"v": []}, "first can make nothing of v"),
        ("an answer to it", "{{ v|first|default:'nobody' }}", {"v": []}, "nobody"),
        ("a safe text in its place", "{{ '<b>'|floatformat }}", {}, "floatformat can make nothing of <b>"),
        ("asked for in a condition", "{% if v|first|upper %}a{% else %}b{% endif %}", {"v": []}, "b"),
        ("null joined", "{{ v|join:', ' }}", {"v": ["a", None]}, "join can make nothing of v"),
        ("a ratio of words", "{% widthratio v 10 100 %}", {"v": "x"}, "widthratio needs numbers: v or 10 is none"),
        ("a ratio of words, kept", "{% widthratio v 10 100 as r %}x", {"v": "x"},
         "widthratio needs numbers: v or 10 is none"),
        ("a ratio", "{% widthratio v 10 100 %}", {"v": 5}, "50"),
        ("a ratio, kept", "{% widthratio v 10 100 as r %}{{ r }}", {"v": 5}, "50"),
    ]),
    *table("null", _rendered, [
        ("printed", "Dear {{ v }}", {"v": None}, NULL),
        ("inside of a mapping", "Dear {{ v.n }}", {"v": {"n": None}}, NULL.replace(" v ", " v.n ")),
        ("by another name", "{% with v=w %}{{ v }}{% endwith %}", {"w": None}, NULL),
        ("by a name that nothing prints", "{% with n=v %}x{% endwith %}", {"v": None}, "x"),
        ("filtered", "{{ v|upper }}", {"v": None}, NULL),
        ("with an answer to it", "{{ v|default:'you' }}", {"v": None}, "you"),
        ("with an answer to null", "{{ v|default_if_none:'you' }}", {"v": None}, "you"),
        ("with an answer to a third case", "{{ v|yesno:'a,b,c' }}", {"v": None}, "c"),
        ("with an answer that is null too", "{{ v|default:w }}", {"v": "", "w": None}, NULL),
        ("in a condition", "{% if v %}a{% elif v|length %}b{% else %}c{% endif %}", {"v": None}, "c"),
        ("gone through", "{% for i in v %}x{% endfor %}", {"v": None}, NULL),
        ("gone through with an answer to none", "{% for i in v %}x{% empty %}none{% endfor %}", {"v": None}, "none"),
        ("grouped", "{% regroup v by k as g %}", {"v": None}, NULL),
        ("in turns", "{% cycle v 'a' %}", {"v": None}, NULL),
        ("translated", "{% translate v %}", {"v": None}, "rendering failed with AttributeError"),
        ("in a translation", "{% blocktranslate %}{{ v }}{% endblocktranslate %}", {"v": None}, NULL),
        ("in a translation by another name", "{% blocktranslate with v=w %}{{ v }}{% endblocktranslate %}",
         {"w": None}, NULL),
        ("hidden by another in a translation", "{% blocktranslate with v=w %}{{ v }}{% endblocktranslate %}",
         {"w": "x", "v": None}, "x"),
        ("hidden by a count", "{% blocktranslate count v=w %}one{% plural %}{{ v }}{% endblocktranslate %}",
         {"w": 2, "v": None}, "2"),
    ]),
    *table("the first of several", _rendered, [
        ("none is there", "{% firstof a b %}", {}, "firstof finds nothing in a, b"),
        ("none is there, kept for later", "{% firstof a b as c %}", {}, "firstof finds nothing in a, b"),
        ("null and nothing", "{% firstof a b %}", {"a": None, "b": 0}, "firstof finds nothing in a, b"),
        ("one is", "{% firstof a b %}", {"b": "x"}, "x"),
        ("a number is", "{% firstof a b %}", {"b": 5}, "5"),
        ("one is, kept for later", "{% firstof a b as c %}{{ c }}", {"b": "x"}, "x"),
        ("an empty text that was given", "{% firstof a b %}", {"a": ""}, ""),
        ("an empty text that was written", "{% firstof a '' %}", {}, ""),
        ("what a filter can make nothing of", "{% firstof a|floatformat %}", {"a": "x"},
         "firstof finds nothing in a|floatformat"),
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
        ("the most decimals", "{{ v|floatformat:100 }}", {"v": 1.5}, "102 letters"),
        ("one more decimal", "{{ v|floatformat:101 }}", {"v": 1.5}, "rendering failed with ValueError"),
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
CASES = [*MONEY, *PUSH, *ENGINE, *BLANKS, *LIBRARY, *SMS, *DIFF]
