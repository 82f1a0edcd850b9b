"""Plain words: put together without the engine, they are what the engine makes of them, or the engine is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils.safestring import SafeString
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.rules import rendering
from notifications.rules.plain_words import pieces_of, put_together
from notifications.rules.rendering import LARGEST, RenderError, compile_part, render_part

UTC = ZoneInfo("UTC")
NAMES = ("name", "a", "b2", "True", "None", "forloop", "block", "items", "long_name", "amount")
TEXTS = st.text(max_size=30) | st.sampled_from(["<b>", "&amp;", "'", '"', "\u202e", "\x00", "{", "}", "%s", "\ud800"])
VARIABLES = st.sampled_from(NAMES).flatmap(
    lambda name: st.sampled_from([f"{{{{ {name} }}}}", f"{{{{{name}}}}}", f"{{{{  {name}\t}}}}"])
)
OTHERS = st.sampled_from([
    "{{ a|upper }}", "{{ a.b2 }}", "{# no #}", "{{ 'text' }}", "{{ 5 }}", "{{ 1.50 }}", '{{ _("January") }}',
    "{% if a %}x{% endif %}", "{% verbatim %}{{ a }}{% endverbatim %}", "{{ a|default:b2 }}", "{{ items.0 }}",
])  # fmt: skip
PLAIN = st.lists(TEXTS.filter(lambda text: "{" not in text and "}" not in text) | VARIABLES, max_size=12).map("".join)
ANY = st.lists(TEXTS | VARIABLES | OTHERS, max_size=12).map("".join)
SCALARS = (
    TEXTS
    | TEXTS.map(SafeString)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["x" * 60_000, "<" * 60_000, "x" * LARGEST, "x" * (LARGEST + 1), ""])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
)
DATA = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=len(NAMES))
ALL_TEXT = st.fixed_dictionaries(dict.fromkeys(NAMES, TEXTS))


def told(part: Any, data: Mapping[str, object], locale: str) -> tuple[str, object]:
    """Return the text, or what was said against it."""
    try:
        return "text", render_part(part, data, locale, UTC)
    except RenderError as error:
        return type(error).__name__, str(error)


def both(source: str, data: Mapping[str, object], *, escape: bool, locale: str = "en") -> tuple[Any, Any]:
    """Return what the short way makes of it, and the engine alone."""
    quick, engine = compile_part(source, escape=escape), compile_part(source, escape=escape)
    engine.pieces = None
    return told(quick, data, locale), told(engine, data, locale)


@given(PLAIN, DATA | ALL_TEXT, st.booleans(), st.sampled_from(["en", "de", "ar"]))
@example("{{ a }}{{ a }}", {"a": "x" * (LARGEST // 2)}, True, "en")
@example("{{ a }}{{ a }}!", {"a": "x" * (LARGEST // 2)}, True, "en")
@example("{{ a }}", {"a": "<" * (LARGEST // 4)}, True, "en")
@example("{{ a }}.", {"a": "<" * (LARGEST // 4)}, True, "en")
@example("{{ True }}{{ None }}", {"True": "yes", "None": "no"}, False, "en")
@example("{{ a }}", {"a": 1234.5}, True, "de")
@example("{{ a }}", {"a": SafeString("<b>")}, True, "en")
def test_it_is_what_the_engine_makes(source: str, data: Mapping[str, object], escape: bool, locale: str) -> None:
    quick, engine = both(source, data, escape=escape, locale=locale)
    assert quick == engine


@given(ANY, DATA | ALL_TEXT, st.booleans())
def test_it_is_what_the_engine_makes_of_any_words(source: str, data: Mapping[str, object], escape: bool) -> None:
    try:
        compile_part(source, escape=escape)
    except RenderError:
        return
    quick, engine = both(source, data, escape=escape)
    assert quick == engine


@given(PLAIN, ALL_TEXT, st.booleans())
def test_the_engine_is_not_asked_for_texts(source: str, data: Mapping[str, str], escape: bool) -> None:
    """What is tested above is the short way, and not the engine against itself."""
    part = compile_part(source, escape=escape)
    assert part.pieces is not None
    assert put_together(part.pieces, data, escaped=escape) is not None


@pytest.mark.parametrize(
    "source", ["{{ a|upper }}", "{{ a.b2 }}", "{{ 'a' }}", "{{ 5 }}", '{{ _("a") }}', "{% if a %}{% endif %}"]
)
def test_whatever_is_more_than_text_and_bare_variables_is_the_engines(source: str) -> None:
    try:
        part = compile_part(f"x {source}", escape=True)
    except RenderError:
        return
    assert part.pieces is None


def test_very_many_pieces_are_the_engines() -> None:
    assert compile_part("{{ a }}" * 100, escape=True).pieces is not None
    assert compile_part("{{ a }}" * 101, escape=True).pieces is None
    assert pieces_of([]) == ()


@pytest.mark.parametrize("value", [None, 5, True, 1.5, ["x"], {"x": 1}, SafeString("x"), "x" * (LARGEST + 1)])
def test_whatever_is_no_plain_text_is_the_engines(value: object) -> None:
    pieces = compile_part("x{{ a }}", escape=True).pieces
    assert pieces is not None
    assert put_together(pieces, {"a": value}, escaped=True) is None
    assert put_together(pieces, {}, escaped=True) is None


def test_the_longest_text_needs_no_engine() -> None:
    pieces = compile_part("x{{ a }}", escape=True).pieces
    assert pieces is not None
    assert put_together(pieces, {"a": "x" * (LARGEST - 1)}, escaped=True) == "x" * LARGEST
    assert put_together(pieces, {"a": "x" * LARGEST}, escaped=True) is None


def test_neither_language_nor_zone_is_entered_for_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the larger part of what the engine costs."""
    monkeypatch.setattr(rendering, "translation", None)
    assert render_part(compile_part("Hi {{ a }}", escape=True), {"a": "<Ada>"}, "de", UTC) == "Hi &lt;Ada&gt;"
