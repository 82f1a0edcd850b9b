"""Words become text: never a blank, never more than was asked for, never outside of the sandbox."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.rules.rendering import LARGEST, RenderError, compile_part, one_line, render_part
from notifications.rules.template_bounds import MOST_NODES

UTC, KOLKATA = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")
SECRET = "s3cr3t-value"
MANY, LONG = ["x"] * 5_000, "x" * 60_000


def render(source: str, *, escape: bool = True, locale: str = "en", zone: ZoneInfo = UTC, **data: object) -> str:
    """Return rendered words."""
    return render_part(compile_part(source, escape=escape), data, locale, zone)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        pytest.param("Hi {{ name }}", "name", id="variable"),
        pytest.param("{{ order.total }}", "order.total", id="attribute"),
        pytest.param("{{ order.lines.7.sku }}", "order.lines.7.sku", id="deep inside"),
        pytest.param("{{ name|upper|default:'x' }}", "name", id="a filter cannot hide it"),
        pytest.param("{{ order|default:name }}", "name", id="a filter's argument"),
        pytest.param("{% for line in order.rows %}{{ line }}{% endfor %}", "order.rows", id="what a loop goes through"),
        pytest.param("{% with n=name %}{{ n }}{% endwith %}", "name", id="with"),
        pytest.param("{% blocktranslate %}Hi {{ name }}{% endblocktranslate %}", "name", id="translated"),
        pytest.param("{% blocktranslate with n=name %}{{ n }}{% endblocktranslate %}", "name", id="translated, with"),
        pytest.param("{% translate name %}", "name", id="translated by name"),
        pytest.param("{% regroup name by x as y %}", "name", id="regroup"),
        pytest.param("{{ order.clear }}", "order.clear", id="a method is no variable"),
        pytest.param("{{ order.lines.append }}", "order.lines.append", id="nor a list's"),
        pytest.param("{{ text.replace }}", "text.replace", id="nor a text's"),
    ],
)
def test_a_missing_variable_is_named_and_no_value_is_told(source: str, named: str) -> None:
    data = {"order": {"lines": [SECRET], SECRET: 1}, "text": SECRET}
    with pytest.raises(RenderError, match=rf"variable {named} is missing") as caught:
        render(source, **data)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("{% if missing %}a{% else %}b{% endif %}", "b", id="if may ask for what is not there"),
        pytest.param(
            "{% for x in missing %}a{% empty %}none{% endfor %}", "none", id="a loop that has an answer to it"
        ),
        pytest.param("{% firstof missing 'z' %}", "z", id="firstof"),
        pytest.param("{% for k, v in order.items %}{{ k }}={{ v }}{% endfor %}", "n=3", id="a mapping's items"),
        pytest.param("{{ list.0 }}{{ list.1.n }}", "14", id="by number"),
        pytest.param("{% for x in list %}{{ forloop.counter }}{% endfor %}", "12", id="forloop"),
        pytest.param(
            "{% regroup rows by k as g %}{% for x in g %}{{ x.grouper }}{{ x.list|length }}{% endfor %}",
            "a2b1",
            id="regroup",
        ),
        pytest.param("{% filter upper %}{{ list.0 }}a{% endfilter %}", "1A", id="filter"),
        pytest.param("{{ text|join:', ' }}", "a, b", id="join"),
        pytest.param("{{ number|floatformat:2 }} {{ 'a'|center:3 }}", "1234.50  a ", id="padding within reason"),
        pytest.param(
            "{% blocktranslate count n=list.1.n %}one{% plural %}{{ n }} many{% endblocktranslate %}",
            "4 many",
            id="plural",
        ),
        pytest.param("{# {{ missing }} #}{% comment %}{{ missing }}{% endcomment %}", "", id="comments"),
    ],
)
def test_what_words_may_do(source: str, text: str) -> None:
    data = {
        "order": {"n": 3},
        "list": [1, {"n": 4}],
        "rows": [{"k": "a"}, {"k": "a"}, {"k": "b"}],
        "text": "ab",
        "number": 1234.5,
    }
    assert render(source, **data) == text


@pytest.mark.parametrize(
    "source",
    [
        "{% load i18n %}",
        "{% include 'x.html' %}",
        "{% extends 'x.html' %}",
        "{% debug %}",
        "{% csrf_token %}",
        "{% url 'admin:index' %}",
        "{% autoescape off %}{{ a }}{% endautoescape %}",
        "{% block a %}{% endblock %}",
        "{% lorem %}",
        "{% querystring %}",
        "{% static 'x' %}",
        "{% get_static_prefix %}",
        "{% ssi '/etc/passwd' %}",
        "{% get_current_language as x %}",
        "{% get_available_languages as x %}",
        "{{ a|safe }}",
        "{{ a|safeseq }}",
        "{{ a|pprint }}",
        "{% filter safe %}{{ a }}{% endfilter %}",
        "{{ a.__class__ }}",
        "{{ a._private }}",
        "{{ a|unknown }}",
        "{% if %}",
        "{% for x in a %}",
        "{{ a",
        "{% blocktranslate %}{% if a %}{% endblocktranslate %}",
    ],
)
def test_what_reaches_outside_is_refused_when_compiled_or_harmless(source: str) -> None:
    if source == "{{ a":
        assert render(source) == "{{ a"
        return
    with pytest.raises(RenderError):
        compile_part(source, escape=True)


@pytest.mark.parametrize("escape", [True, False], ids=["html", "plain"])
@pytest.mark.parametrize(
    "value",
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror='x()'>",
        "{{ secret }}",
        "{% load os %}",
        "{{ a|safe }}",
        "&lt;b&gt;",
        "javascript:alert(1)",
        "'; DROP TABLE users; --",
        "%(secret)s",
        "%s%n",
        "<!--",
        "]]>",
        "\u202eabc",
    ],
)
@pytest.mark.parametrize(
    "source",
    [
        "<{{ v }}>",
        "<{% blocktranslate %}{{ v }}{% endblocktranslate %}>",
        "<{% with w=v %}{% firstof w %}{% endwith %}>",
        "<{% for w in l %}{{ w }}{% endfor %}>",
    ],
    ids=["variable", "translated", "firstof", "loop"],
)
def test_an_injection_stays_a_text(source: str, value: str, escape: bool) -> None:
    text = render(source, escape=escape, v=value, l=[value], secret=SECRET)
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    expected = escaped.replace('"', "&quot;").replace("'", "&#x27;") if escape else value
    assert text == f"<{expected}>"


@given(st.text(max_size=40))
def test_no_text_breaks_out_of_html(value: str) -> None:
    text = render("{{ v }}", v=value)
    assert not set(text) & set("<>\"'")


@pytest.mark.parametrize(
    ("source", "locale", "zone", "text"),
    [
        pytest.param("{{ day|date }}", "de", UTC, "22. November 2026", id="a date in German"),
        pytest.param("{{ day|date }}", "en", UTC, "Nov. 22, 2026", id="a date in English"),
        pytest.param("{{ moment|date:'H:i' }}", "en", KOLKATA, "01:30", id="a moment in the recipient's zone"),
        pytest.param("{{ moment|date:'j' }}", "en", KOLKATA, "23", id="it is tomorrow there"),
        pytest.param("{{ moment|time:'H:i' }}", "en", UTC, "20:00", id="a time"),
        pytest.param("{{ clock|time:'H:i' }}", "en", KOLKATA, "09:05", id="a time of day has no zone"),
        pytest.param("{{ amount }}", "de", UTC, "1234,5", id="a number in German"),
        pytest.param("{{ amount|floatformat:'2g' }}", "de", UTC, "1.234,50", id="money in German"),
        pytest.param("{{ amount|floatformat:'2g' }}", "en", UTC, "1,234.50", id="money in English"),
        pytest.param("{% translate 'January' %}", "fr", UTC, "janvier", id="a word that Django knows"),
    ],
)
def test_the_recipients_language_and_zone(source: str, locale: str, zone: ZoneInfo, text: str) -> None:
    data = {"day": "2026-11-22", "moment": "2026-11-22T20:00:00Z", "clock": "09:05:00", "amount": 1234.5}
    assert render(source, locale=locale, zone=zone, **data) == text


@pytest.mark.parametrize("filter_name", ["date", "time", "timesince", "timeuntil"])
@pytest.mark.parametrize("value", ["tomorrow", "", "2026-13-01"])
def test_a_text_that_is_no_moment_is_not_printed_as_a_blank(filter_name: str, value: str) -> None:
    with pytest.raises(RenderError):
        render(f"{{{{ v|{filter_name} }}}}", v=value)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        pytest.param("{% for a in many %}{% for b in many %}x{% endfor %}{% endfor %}", "steps", id="nested loops"),
        pytest.param("{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}", "steps", id="empty loops"),
        pytest.param("{% for a in long %}{% endfor %}", "steps", id="a loop over letters"),
        pytest.param(
            "{% for a in many %}{% if a %}{% endif %}{% if a %}{% endif %}{% endfor %}", "steps", id="conditions"
        ),
        pytest.param("{% for a in many %}{{ long }}{% endfor %}", "KiB", id="long texts"),
        pytest.param("{{ long }}" * 5, "KiB", id="long texts in a row"),
        pytest.param(
            "{% filter lower %}{{ long }}{{ long }}{{ long }}{{ long }}{{ long }}{% endfilter %}",
            "KiB",
            id="inside a filter",
        ),
        pytest.param(
            "{% with a=long|add:long %}{% with b=a|add:a|add:a %}{{ b|length }}{% endwith %}{% endwith %}",
            "steps",
            id="doubling",
        ),
        pytest.param("{{ long|join:long }}", "ValueError", id="multiplying"),
        pytest.param("{{ many|join:long }}", "steps", id="multiplying a list"),
        pytest.param("{{ 'x'|center:'999999999' }}", "ValueError", id="padding"),
        pytest.param("{{ 'x'|ljust:99999 }}{{ 'x'|rjust:99999 }}", "ValueError", id="padding by a number"),
        pytest.param("{{ 1|stringformat:'0999999999d' }}", "ValueError", id="formatting"),
        pytest.param("{{ 1|floatformat:'999999999' }}", "ValueError", id="decimals"),
    ],
)
def test_a_bomb_ends_early(source: str, complaint: str) -> None:
    with pytest.raises(RenderError, match=complaint):
        render(source, many=MANY, long=LONG)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("x" * (LARGEST + 1), id="too long itself"),
        pytest.param(
            "{% blocktranslate %}" + "{{ a }}" * 101 + "{% endblocktranslate %}", id="too many variables in one tag"
        ),
    ],
)
def test_a_bomb_is_refused_when_compiled(source: str) -> None:
    with pytest.raises(RenderError):
        compile_part(source, escape=True)


def test_what_just_fits_is_rendered() -> None:
    assert len(render("{{ v }}", v="x" * LARGEST)) == LARGEST
    assert len(render("{% for a in v %}x{% endfor %}", v=["x"] * (MOST_NODES - 1))) == MOST_NODES - 1
    with pytest.raises(RenderError):
        render("{% for a in v %}x{% endfor %}", v=["x"] * MOST_NODES)


def test_each_rendering_has_its_own_bound_and_leaves_its_data_alone() -> None:
    part, data = compile_part("{% for a in v %}{{ a }}{% endfor %}", escape=True), {"v": ["a"] * 4_000}
    assert all(len(render_part(part, data, "en", UTC)) == 4_000 for _ in range(3))
    assert data == {"v": ["a"] * 4_000}


def test_an_error_tells_its_kind_and_no_value() -> None:
    with pytest.raises(RenderError) as caught:
        render("{{ v|date }}", v=SECRET)
    assert SECRET not in str(caught.value)
    assert "ValueError" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("Hello", "Hello", id="one line"),
        pytest.param("a\r\nBcc: eve@example.com", "a Bcc: eve@example.com", id="no header is added"),
        pytest.param("  a \n\t b\x0b\x85\u2028c ", "a b c", id="every kind of line end"),
        pytest.param("", "", id="empty"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_what_a_filter_escaped_stays_so_as_far_as_the_next_one_keeps_it() -> None:
    assert render("{{ v|linebreaksbr|ljust:10 }}|", v="a\nb") == "a<br>b    |"
    assert render("{{ v|linebreaksbr|upper }}", v="a\nb") == "A&lt;BR&gt;B"
    assert render("{{ v|ljust:5 }}|", v="<b>") == "&lt;b&gt;  |"
    with pytest.raises(RenderError, match="floatformat can make nothing of v"):
        render("{{ v|linebreaksbr|floatformat }}", v="a\nb")
