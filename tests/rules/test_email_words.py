"""Emails out of words: a layout around them, styles in their elements, a text part; done once, alike for all values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import SPECS
from notifications.checks import words as words_checks
from notifications.enums import Channel
from notifications.flows.compose import compile_words, render
from notifications.messages import Content
from notifications.rules import email_style, email_text
from notifications.rules.email_ahead import Unfit, styled_ahead, text_ahead
from notifications.rules.email_layout import direction, is_whole, wrap
from notifications.rules.email_style import inline_styles
from notifications.rules.email_text import text_of_html
from notifications.rules.rendering import compile_part, render_part

STYLE = "<style>.a{color:red}.b{color:blue} li{margin:0} @media print{.a{color:black!important}}</style>"
LAYOUT = (
    '<!doctype html><html lang="{{ lang }}" dir="{{dir}}"><head><title>{{ subject }}</title>' + STYLE + "</head>\n"
    '<body><div class="a">{{ content }}</div>'
    '{% if unsubscribe_url %}<p><a href="{{ unsubscribe_url }}">Off</a></p>{% endif %}\n</body></html>'
)


def document(body: str) -> str:
    return f"<!doctype html><html><head>{STYLE}</head><body>{body}</body></html>"


def filled(source: str, *, escape: bool = True, **data: object) -> str:
    return render_part(compile_part(source, escape=escape), data, "en", None)


AHEAD = [
    "<p class='a'>{{ v }}</p>",
    "<ul>{% for i in many %}<li>{{ i }}</li>{% endfor %}</ul>",
    "{% if yes %}<p class='a'>{{ v }}</p>{% else %}<p class='b'>no</p>{% endif %}",
    "{% if no %}<p>{{ v }}</p>{% elif yes %}<p class='b'>{{ v }}</p>{% endif %}",
    "<table><tbody>{% for i in many %}<tr><td>{{ i }}</td><td class='a'>{{ v }}</td></tr>{% endfor %}</tbody></table>",
    "<p><a href='https://a.example/?q={{ v|urlencode }}&amp;x=1' class='a'>{{ v }}</a></p>",
    "<p>{% blocktranslate with w=v %}Hello {{ w }}, it's you{% endblocktranslate %}</p>",
    "<p>{# {{ nothing }} #}{% with w=v %}<b>{{ w }}</b>{% endwith %} &amp; more</p>",
]
LATE = [
    "<p class='{{ v }}'>x</p>",
    "<p class='{% if yes %}a{% else %}b{% endif %}'>x</p>",
    "<p {% if yes %}class='a'{% endif %}>x</p>",
    "{% if yes %}<p class='a'>{% else %}<p class='b'>{% endif %}x</p>",
    "<table>{% for i in many %}<tr><td class='a'>{{ i }}</td></tr>{% endfor %}</table>",
    "<p>{{ v|linebreaks }}</p>",
    "<!-- {{ v }} --><p>x</p>",
    "<p>{% verbatim %}{{ x }}{% endverbatim %}</p>",
    "<p>one<p>two",
]
DATA = {"v": "a & b <i>", "many": ["x", "y & z", "<b>"], "yes": True, "no": False}


@pytest.mark.parametrize("body", AHEAD)
@pytest.mark.parametrize("data", [DATA, {**DATA, "yes": False, "many": []}], ids=["some", "none"])
def test_done_ahead_is_the_same_as_done_to_each(body: str, data: dict[str, object]) -> None:
    source = document(body)
    assert filled(styled_ahead(source), **data) == inline_styles(filled(source, **data))
    ahead = filled(text_ahead(source), escape=False, **data)
    assert ahead.split() == text_of_html(filled(source, **data)).split()


@given(
    st.dictionaries(
        st.sampled_from(["v"]),
        st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S"])),
        min_size=1,
    )
)
def test_no_value_makes_a_difference(data: dict[str, str]) -> None:
    source = document("<p class='a'>{{ v }}</p>")
    assert filled(styled_ahead(source), **data) == filled(inline_styles(source), **data)


@pytest.mark.parametrize("body", LATE)
def test_what_depends_on_values_is_left_for_later_and_styled_all_the_same(body: str) -> None:
    source = document(body)
    with pytest.raises(Unfit):
        styled_ahead(source)
    parts = {"subject": "s", "html": source}
    assert "unstyled" in SPECS[Channel.EMAIL].prepare(parts, "en")
    assert sent(parts, **DATA).html == inline_styles(filled(source, **DATA))


def sent(parts: dict[str, str], locale: str = "en", **data: object) -> Content:
    return render(Channel.EMAIL, locale, compile_words(Channel.EMAIL, locale, parts), data, "")


def test_a_layout_goes_around_words_with_the_direction_of_their_language() -> None:
    parts = {"subject": "About {{ v }}", "html": "<p>{{ v }}</p>", "layout": LAYOUT}
    content = sent(parts, "ar-EG", v="<x>", unsubscribe_url="https://a.example/u")
    assert '<html lang="ar-EG" dir="rtl">' in content.html
    assert "<title>About &lt;x&gt;</title>" in content.html
    assert '<div class="a" style="color: red;">' in content.html
    assert "@media print" in content.html
    assert content.text == "<x>\n\nOff (https://a.example/u)"
    assert "Off" not in sent(parts, v="x", unsubscribe_url="").text


def test_a_document_of_its_own_gets_no_layout() -> None:
    whole = "<html><body><p>mine</p></body></html>"
    assert is_whole(whole)
    content = sent({"subject": "s", "html": whole, "layout": LAYOUT})
    assert (content.html, content.text) == (
        "<html><head></head><body><p>mine</p></body></html>",
        "mine",
    ) or content.html == whole


def test_a_written_text_part_is_used_as_it_is() -> None:
    assert sent({"subject": "s", "html": "<p>a</p>", "text": "b\n\n\n\nc"}).text == "b\n\n\n\nc"


def test_no_variable_gets_into_a_slot() -> None:
    parts = {"subject": "s", "html": "<p>x</p>", "layout": LAYOUT}
    content = sent(parts, content="EVIL", lang="EVIL", dir="EVIL", subject="EVIL")
    assert "EVIL" not in content.html


@pytest.mark.parametrize(
    ("locale", "way"),
    [
        ("en", "ltr"),
        ("ar", "rtl"),
        ("he", "rtl"),
        ("fa-IR", "rtl"),
        ("de_AT", "ltr"),
        ("ur", "rtl"),
        ("xx", "ltr"),
        ("az-Arab", "rtl"),
    ],
)
def test_direction(locale: str, way: str) -> None:
    assert direction(locale) == way


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<a href='https://x.example/?a=1&amp;b=2'>here</a>", "here (https://x.example/?a=1&b=2)"),
        ("<a href='#top'>up</a>", "up"),
        ("<ul><li>a</li><li>b</li></ul>", "* a\n  * b"),
        ("<style>p{}</style><p>a</p>", "a"),
        ("", ""),
    ],
)
def test_text_out_of_html(html: str, text: str) -> None:
    assert text_of_html(html) == text


def test_wrap_keeps_words_as_they_are_written() -> None:
    words = r"<p>\1 \g<0> {{ a }}</p>"
    assert words in wrap("<html>{{ content }}</html>", {"html": words}, "en")


def test_without_the_extra_emails_are_plainer_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_style, "_inliner", None)
    monkeypatch.setattr(email_text, "CAN_LAY_OUT", False)
    parts = {"subject": "s", "html": "<h1>{{ v }}</h1><p><a href='https://a.example/'>b</a></p>", "layout": LAYOUT}
    content = sent(parts, v="<x>")
    assert "<style>.a{color:red}" in content.html
    assert content.text == "<x>\n\nb (https://a.example/)"
    with monkeypatch.context() as patched:
        patched.setattr(words_checks, "CAN_INLINE", False)
        [warning] = words_checks.check_email_extra()
    assert (warning.id, "django-carillon[email]" in str(warning.hint)) == ("carillon.W057", True)
    assert words_checks.check_email_extra() == []
