"""Hostile words and hostile values: none leaks, none breaks out of its place, none takes the machine along."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import SPECS
from notifications.enums import Channel
from notifications.flows.compose import compile_words, render
from notifications.messages import Content
from notifications.rules.email_safety import is_safe_link, problem_in
from notifications.rules.rendering import LARGEST, RenderError, TooMuch, compile_part, render_part
from notifications.rules.template_bounds import MOST_NODES, MOST_WORK, BoundedContext

SECRET = "s3cr3t-0f-the-house"


class Vault:
    """Holds what no words may read."""

    secret = SECRET
    __slots__ = ("inner",)

    def __init__(self) -> None:
        self.inner = SECRET

    def reveal(self) -> str:
        """Never called."""
        raise AssertionError("words called a method")

    def __str__(self) -> str:
        return "vault"


class Seen(HTMLParser):
    """The elements and attributes of a document, as a client understands it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.found.append((tag, dict(attrs)))


HTML = (
    '<p>{{ v }}</p><a href="{{ v }}" title="{{ v }}">{{ v|upper }}</a><p>{% for l in v %}{{ l }}{% endfor %}</p>'
    "<p>{% blocktranslate with w=v %}Hello {{ w }}!{% endblocktranslate %}{% firstof v %}{{ v|truncatechars:2000 }}</p>"
)
LAYOUT = (
    '<!doctype html><html lang="{{ lang }}"><head><title>{{ subject }}</title><style>.a{color:red}'
    "@media print{.a{color:blue}}</style></head><body class='a'>{{ content }}</body></html>"
)


def email(value: object, *, html: str = HTML, subject: str = "About {{ v }}") -> Content:
    """Return an email with a value in every place of it."""
    parts = {"subject": subject, "html": html, "layout": LAYOUT}
    return render(Channel.EMAIL, "en", compile_words(Channel.EMAIL, "en", parts), {"v": value}, "")


HTML_VALUES = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</p></body></html><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" onmouseover="alert(1)" x="',
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<!--><script>alert(1)</script>-->",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=//evil.example><input name=password>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example>",
    "<style>*{display:none}</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\u003cscript\u003ealert(1)",
    "＜script＞alert(1)＜/script＞",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<<script>alert(1)//<</script>",
    "\ue0000\ue001",
    "<!--\ue0000\ue001-->",
]
TEMPLATE_VALUES = [
    "{{ secret }}",
    "{% load os %}",
    "{% include '/etc/passwd' %}",
    "{{ v.__class__.__mro__ }}",
    "{{ settings.SECRET_KEY }}",
    "{% debug %}",
    "{{ content }}",
    "{{ subject }}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{7*7}}",
    "%(secret)s",
    "%s%s%n",
    "{0.__class__}",
]


@pytest.mark.parametrize("value", [*HTML_VALUES, *TEMPLATE_VALUES])
def test_a_value_stays_a_text_in_every_part_of_an_email(value: str) -> None:
    harmless, hostile = Seen(email("x").html).found, Seen(email(value).html).found
    assert [(tag, set(attrs)) for tag, attrs in hostile] == [(tag, set(attrs)) for tag, attrs in harmless]
    content = email(value)
    assert SECRET not in content.html + content.text + content.subject
    assert "49" not in content.html
    assert len(content.subject.splitlines()) == 1


@given(st.text(max_size=60))
def test_no_value_adds_an_element_or_an_attribute(value: str) -> None:
    harmless, hostile = Seen(email("x").html).found, Seen(email(value).html).found
    assert [(tag, set(attrs)) for tag, attrs in hostile] == [(tag, set(attrs)) for tag, attrs in harmless]


URLS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\x01javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "java\r\nscript:alert(1)",
    "javascript\t:alert(1)",
    "\u00a0javascript:alert(1)",
    "\u200bjavascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "DATA:text/html,x",
    "file:///etc/passwd",
    "blob:https://a.example/1",
    "view-source:javascript:alert(1)",
]


@pytest.mark.parametrize("url", URLS)
def test_a_link_runs_nothing(url: str) -> None:
    assert not is_safe_link(url)
    [(_, attrs)] = [item for item in Seen(email(url).html).found if item[0] == "a"]
    assert (attrs["href"] or "").startswith("about:blank#")
    unquoted = render_part(compile_part("<img src={{ v }}>", escape=True), {"v": url}, "en", None)
    assert problem_in("<img src={{ v }}>")
    assert unquoted
    push = SPECS[Channel.PUSH].content({"title": "t", "body": "b", "url": url, "image": url})
    assert (push.url, push.image) == ("", "")


@pytest.mark.parametrize(
    "url",
    ["https://a.example/?q=javascript:x", "mailto:a@b.example", "tel:+49151", "myapp://orders/7", "http://[::1]/"],
)
def test_a_link_that_leads_somewhere_is_left_alone(url: str) -> None:
    assert is_safe_link(url)
    assert f'href="{url}"' in email(url).html


@pytest.mark.parametrize(
    "value",
    [
        "x\r\nBcc: eve@example.com",
        "x\nContent-Type: text/html\n\n<script>",
        "x\rBcc: eve@example.com",
        "x\x0bBcc: eve@example.com",
        "x\x0cBcc: eve@example.com",
        "x\x85Bcc: eve@example.com",
        "x\u2028Bcc: eve@example.com",
        "x\u2029Bcc: eve@example.com",
        "x\x1c\x1d\x1eBcc: eve@example.com",
        "x\x00\x07\x1b[31mBcc",
        "=?utf-8?q?=0d=0aBcc:_eve@example.com?=",
        "x\u202ecod.exe",
        "x\u2066\u2067y",
    ],
)
def test_a_header_stays_one_line_of_what_can_be_seen(value: str) -> None:
    subject = email(value).subject
    title = SPECS[Channel.PUSH].content({"title": value, "body": "b"}).title
    for line in (subject, title):
        assert len(line.splitlines()) == 1
        assert line.replace(" ", "").isprintable()
        assert not set(line) & set("\u202d\u202e\u2066\u2067")


@pytest.mark.parametrize("override", ["\u202d", "\u202e"])
def test_no_value_turns_the_words_after_it_round(override: str) -> None:
    content = email(f"{override}evil")
    sms = SPECS[Channel.SMS].content({"text": f"{override}evil"})
    push = SPECS[Channel.PUSH].content({"title": f"{override}evil", "body": f"{override}evil"})
    said = f"{content.html}{content.text}{content.subject}{sms.text}{push.title}{push.body}"
    assert override not in said


@pytest.mark.parametrize(
    "source",
    [
        "{{ v.__class__ }}",
        "{{ v.__init__.__globals__ }}",
        "{{ v._private }}",
        "{{ v.secret }}",
        "{{ v.inner }}",
        "{{ v.reveal }}",
        "{{ request }}",
        "{{ settings.SECRET_KEY }}",
        "{{ forloop.parentloop }}",
        "{{ block.super }}",
        "{% load static %}",
        "{% include 'admin/base.html' %}",
        "{% extends 'admin/base.html' %}",
        "{% debug %}",
        "{% csrf_token %}",
        "{% url 'admin:index' %}",
        "{% autoescape off %}{{ v }}{% endautoescape %}",
        "{{ v|safe }}",
        "{{ v|pprint }}",
        "{% filter safe %}{{ v }}{% endfilter %}",
        "{% partialdef x %}{% endpartialdef %}",
        "{% get_flatpages as p %}",
        "{% language v %}{% endlanguage %}{{ none }}",
        "{{ none|default_if_none:'' }}",
        "{% for x in none %}{% endfor %}",
        "{% with none.x as y %}{{ y }}{% endwith %}",
    ],
)
def test_words_reach_nothing_but_their_values(source: str) -> None:
    with pytest.raises(RenderError) as caught:
        render_part(compile_part(source, escape=True), {"v": Vault()}, "en", None)
    assert SECRET not in str(caught.value)


def deep(times: int, tag: str, inner: str) -> str:
    """Return words that do the same to what they have so far, time and again."""
    return tag * times + inner + "{% endwith %}" * times


DOUBLED = "{% with a=a|add:a %}"
LETTERS = '{% with a="x"|center:1000|make_list %}'
LISTS = {
    "a list doubled": LETTERS + deep(8, DOUBLED, "") + "{% endwith %}",
    "a long list grouped": LETTERS + deep(8, DOUBLED, "{% regroup a by 0 as y %}") + "{% endwith %}",
    "a list grouped by what takes long": (
        "{% for i in many|slice:':10' %}{% regroup many by 0|upper|lower|title as y %}{% endfor %}"
    ),
    "a long list sorted time and again": (
        "{% for i in many|slice:':4000' %}{% if many|dictsort:0 %}{% endif %}{% endfor %}"
    ),
    "a long list compared time and again": (
        "{% for i in many|slice:':4000' %}{% if many == same %}{% endif %}{% endfor %}"
    ),
    "groups doubled and printed": LETTERS
    + "{% regroup a by 0 as a %}"
    + deep(10, DOUBLED, "{{ a }}")
    + "{% endwith %}",
    "groups of groups": (
        "{% with a=many|slice:':9' %}"
        + "{% regroup a by 0 as a %}{% with a=a|add:a %}" * 60
        + "{{ a }}"
        + "{% endwith %}" * 61
    ),
    "a list of one long text doubled and printed": "{% with a=one %}" + deep(16, DOUBLED, "{{ a }}") + "{% endwith %}",
    "a list of one long text doubled and joined": "{% with a=one %}"
    + deep(16, DOUBLED, '{{ a|join:"" }}')
    + "{% endwith %}",
    "a list of one long number doubled": "{% with a=wide %}" + deep(16, DOUBLED, "{{ a }}") + "{% endwith %}",
    "a long list translated": (
        "{% with a=one|add:one|add:one %}{% blocktranslate %}" + "{{ a }}" * 90 + "{% endblocktranslate %}{% endwith %}"
    ),
    "views of a mapping": "{% for i in many|slice:':4000' %}{{ mapped.items.0.1 }}{% endfor %}",
    "filters in a row": "{% if long" + "|upper" * 9_000 + " %}{% endif %}",
    "arguments in a row": "{% if x" + "|add:long|slice:':1'" * 9_000 + " %}{% endif %}",
    "a long format": "{% for i in many %}{% if x|stringformat:long %}{% endif %}{% endfor %}",
    "moments of a long format": (
        "{% for i in many|slice:':4000' %}{% if moment|date:'" + "r" * 100 + "' %}{% endif %}{% endfor %}"
    ),
    "now in a long format": "{% for i in many|slice:':4000' %}{% now '" + "r" * 100 + "' as y %}{% endfor %}",
    "a long translation that is kept": (
        "{% for i in many|slice:':4000' %}{% blocktranslate asvar y %}"
        + "w" * 99_999
        + "{% endblocktranslate %}{% endfor %}"
    ),
    "texts that are kept": "".join(f"{{% firstof angles as y{number} %}}" for number in range(4_000)),
    "conditions without end": "{% for i in many %}{% if " + "0 or " * 100 + "0 %}{% endif %}{% endfor %}",
}


@pytest.mark.parametrize("source", LISTS.values(), ids=LISTS)
def test_no_step_is_a_long_one(source: str) -> None:
    data = {
        "x": "x", "many": ["ab"] * 9_000, "same": ["ab"] * 8_999 + ["ac"], "one": ["y" * 60_000], "long": "y" * 60_000,
        "mapped": {str(number): number for number in range(5_000)}, "moment": "2026-11-22T20:00:00Z",
        "wide": [10**4_000], "angles": "<" * 60_000,
    }  # fmt: skip
    context = BoundedContext(data)
    with pytest.raises(TooMuch):
        compile_part(source, escape=True).render(context)
    assert context.nodes <= MOST_NODES
    assert context.work <= 3 * MOST_WORK


def test_a_value_that_is_in_itself_many_times_is_not_gone_through() -> None:
    value: object = "x"
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TooMuch, match="v grows beyond"):
        render_part(compile_part("{{ v }}", escape=True), {"v": value}, "en", None)


@pytest.mark.parametrize(
    "source",
    [
        "{{ x|center:'99999999' }}",
        "{{ x|ljust:'99999999' }}",
        "{{ x|rjust:'99999999' }}",
        "{{ x|center:99999999 }}",
        "{{ x|stringformat:'99999999s' }}",
        "{{ x|stringformat:'.99999999f' }}",
        "{{ n|floatformat:99999999 }}",
        "{{ many|join:long }}",
        "{% for a in many %}{% for b in many %}{% for c in many %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in many %}{{ long }}{% endfor %}",
        "{% for a in many %}{% for b in many %}{% if a %}{% endif %}{% endfor %}{% endfor %}",
        "{% with a=long|add:long|add:long|add:long|add:long %}{{ a }}{% endwith %}",
        "{% filter upper %}" + "{{ long }}" * 6 + "{% endfilter %}",
        "{{ long }}" * 6,
        "{% if 1 %}" * 3_000 + "x" + "{% endif %}" * 3_000,
        "{{ x" + "|add:x" * 60_000 + " }}",
        "x" * (LARGEST + 1),
        "{% cycle " + "x " * 5 + "as c %}" + "{% for a in many %}{% for b in many %}{{ c }}{% endfor %}{% endfor %}",
        "{% for a in many %}{% blocktranslate %}" + "{{ a }}" * 99 + "{% endblocktranslate %}{% endfor %}" * 1,
    ],
    ids=lambda source: source[:40],
)
def test_words_that_explode_end_early(source: str) -> None:
    data = {"x": "x", "n": 1.5, "many": ["ab"] * 9_000, "long": "y" * 60_000}
    with pytest.raises(RenderError):
        render_part(compile_part(source, escape=True), data, "en", None)


def test_an_explosion_is_told_from_other_mistakes() -> None:
    with pytest.raises(TooMuch):
        render_part(compile_part("{% for a in v %}x{% endfor %}", escape=True), {"v": [1] * 20_000}, "en", None)


@pytest.mark.parametrize(
    "source",
    [
        "<script>x()</script>",
        "<p onclick='x()'>a</p>",
        "<a href={{ url }}>a</a>",
        "<a {{ v }}>a</a>",
        "<{{ v }}>",
        "<a href='javascript:x()'>a</a>",
        "<a href='java&#10;script:x()'>a</a>",
        "<a href='&#106;avascript:x()'>a</a>",
        "<img src='data:image/svg+xml,x'>",
        "<p style='width: {{ v }}'>a</p>",
        "<style>p { color: {{ v }} }</style>",
        "<iframe src='https://a.example'></iframe>",
        "<form action='https://a.example'></form>",
        "<base href='https://a.example'>",
        "<object data='x'></object>",
    ],
)
def test_html_that_invites_trouble_is_refused_when_saved(source: str) -> None:
    assert problem_in(source)


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ url }}">{{ v }}</a>',
        "<a href='https://a.example/{{ v|urlencode }}'>a</a>",
        '{% if a > b %}<p class="{% if c %}d{% endif %}">{{ v }}</p>{% endif %}',
        "<img src='https://a.example/x.png' alt='{{ v }}' width=10>",
        "<img src='data:image/png;base64,AAAA' alt=''>",
        "<style>p { color: red }</style>",
    ],
)
def test_html_as_people_write_it_is_not(source: str) -> None:
    assert problem_in(source) == ""
