"""An email's HTML: what is done to it ahead, what it may not hold, and its text part."""

from __future__ import annotations

from notifications.rules.email_ahead import Unfit, styled_ahead, text_ahead
from notifications.rules.email_layout import direction, has_slot
from notifications.rules.email_safety import is_safe_link, problem_in, without_bad_links
from notifications.rules.email_style import inline_styles
from notifications.rules.email_text import text_of_html

from .cases import table

STYLE = "<style>.a{color:red}</style>"
LATER = "left for later"
LINES = "a tag goes over several lines, so it would be printed as it is: write it on one, or use {% comment %}"
NO_SCRIPT = "<script> is for no mail client: take it out"
NO_ATTRIBUTE = "<p> has a variable outside of quotes: a value could add attributes of its own"
NO_SLOT_FOR_VALUES = "a variable right after < could become an element of its own"


def _styled(body: str) -> str:
    """Answer what becomes of a body under a style sheet."""
    try:
        html = styled_ahead(f"<html><head>{STYLE}</head><body>{body}</body></html>")
    except Unfit:
        return LATER
    return html.partition("<body>")[2].partition("</body>")[0]


def _headed(title: str) -> str:
    """Answer what becomes of a title."""
    try:
        html = styled_ahead(f"<html><head><title>{title}</title>{STYLE}</head><body></body></html>")
    except Unfit:
        return LATER
    return html.partition("<title>")[2].partition("</title>")[0]


def _bare(html: str) -> str:
    """Answer for a source without any document around it."""
    try:
        return styled_ahead(html)
    except Unfit:
        return LATER


def _text(html: str) -> str:
    try:
        return text_ahead(html)
    except Unfit:
        return LATER


RED = 'class="a" style="color: red;"'
AHEAD = [
    *table("styles ahead", _styled, [
        ("around a value", "<p class='a'>{{ v }}</p>", f"<p {RED}>{{{{ v }}}}</p>"),
        ("a value decides the class", "<p class='{{ v }}'>x</p>", LATER),
        ("a value in another attribute", "<p title='{{ v }}'>x</p>", '<p title="{{ v }}">x</p>'),
        ("a condition in another attribute", "<p title='{% if v %}x{% endif %}'>x</p>", LATER),
        ("a value in place of an attribute", "<p {{ v }}>x</p>", LATER),
        ("an attribute without a value", "<p><input disabled></p>", '<p><input disabled=""></p>'),
        ("an element that closes itself", "<p><b/>x</p></b>", LATER),
        ("a letter that hides tags", "<p>\ue000</p>", LATER),
        ("a comment over two lines is none", "{#\n<p class='a'>x</p>\n#}", f"{{#\n<p {RED}>x</p>\n#}}"),
        ("a value in a comment", "<!-- {{ v }} -->", LATER),
        ("a comment without one", "<!-- x -->", "<!-- x -->"),
        ("a value in a style sheet", "<style>.b{color:{{ v }}}</style>", LATER),
        ("a value in a script", "<script>{{ v }}</script>", LATER),
        ("a condition in a script", "<script>{% if v %}x{% endif %}</script>", LATER),
        ("elements crossed", "<b><i>{{ v }}</b></i>", LATER),
        ("an element and a condition crossed", "{% if v %}<b>{% endif %}</b>", LATER),
        ("a condition and an element crossed", "<b>{% if v %}</b>{% endif %}", LATER),
        ("a condition that is never closed", "{% if v %}x", LATER),
    ]),
    *table("styles ahead, in the title", _headed, [
        ("a value", "{{ v }}", "{{ v }}"),
        ("a condition, which no parser knows there", "{% if v %}x{% endif %}", LATER),
    ]),
    *table("styles ahead, without a document", _bare, [
        ("no style sheet", "<p class='a'>{{ v }}<br></p>", "<p class='a'>{{ v }}<br></p>"),
        ("an element that closes itself and may", "<p>a<br/>b</p>", "<p>a<br/>b</p>"),
        ("one that closes itself though it has an end", "<p>a<b/>c</p>", "<p>a<b/>c</p>"),
        ("closed and never opened", "</p>", LATER),
        ("opened and never closed", "<p>", LATER),
        ("a condition closed and never opened", "{% endif %}", LATER),
        ("an alternative to nothing", "{% else %}", LATER),
        ("a filter that makes HTML", "<p>{{ v|linebreaks }}</p>", LATER),
    ]),
    *table("text ahead", _text, [
        ("a condition on lines of its own leaves none behind",
         "<p>a</p>\n{% if v %}\n<p>b</p>\n{% endif %}\n<p>c</p>", "a\n\n{% if v %}\nb\n\n{% endif %}\nc"),
        ("a value on a line of its own stays there", "<p>a</p><p>{{ v }}</p><p>b</p>", "a\n\n{{ v }}\n\nb"),
        ("HTML in a tag's words", '<p>{{ v|default:"<b>" }}</p>', LATER),
        ("HTML in one tag's words of two", '<p>{{ v }}{{ v|default:"&amp;" }}</p>', LATER),
        ("HTML in a block's words", "<p>{% blocktranslate %}a <b>c</b>{% endblocktranslate %}</p>", LATER),
        ("a block without", "<p>{% blocktranslate %}a c{% endblocktranslate %}</p>",
         "{% blocktranslate %}a c{% endblocktranslate %}"),
        ("a comparison is no HTML", "<p>{% if a < b %}x{% endif %}</p>", "{% if a < b %}x{% endif %}"),
        ("a value among the rows of a table",
         "<table>{{ v }}<tr><td>a</td></tr></table>", "{{ v }}\na"),
    ]),
]  # fmt: skip


def _link(url: str) -> str:
    return "may be opened" if is_safe_link(url) else "may not"


def _problem(source: str) -> str:
    return problem_in(source) or "fine"


FAR = "<p>" + "x" * 60 + "</p>"
SAFETY = [
    *table("link of a message", _link, [
        ("a web address", "https://a.example/", "may be opened"),
        ("a space in it, the first that is no control", "https://a.example/ x", "may be opened"),
        ("the last control in it", "https://a.example/\x1fx", "may not"),
        ("it runs something", "javascript:x", "may not"),
        ("it runs something, in other letters, behind a gap", "\u200bJaVaScRiPt :x", "may not"),
        ("no scheme", "/orders/7", "may not"),
        ("an app's own", "myapp://orders/7", "may be opened"),
        ("no address at all", "http://[", "may not"),
    ]),
    *table("bad links of a rendered document", without_bad_links, [
        ("at its very beginning, with much behind it", f"<a href='javascript:x'>a</a>{FAR}",
         f"<a href='about:blank#x'>a</a>{FAR}"),
        ("far into it", f"{FAR}<a href='javascript:x'>a</a>", f"{FAR}<a href='about:blank#x'>a</a>"),
        ("in what is no link", "<a title='javascript: a language'>a</a>", "<a title='javascript: a language'>a</a>"),
        ("an image within the message", "<img src='data:image/png;base64,AA'>", "<img src='data:image/png;base64,AA'>"),
    ]),
    *table("HTML of an email", _problem, [
        ("a variable as an element", "<{{ v }}>", NO_SLOT_FOR_VALUES),
        ("a variable as the end of one", "<b>x</{{ v }}>", NO_SLOT_FOR_VALUES),
        ("an attribute without a value", "<p style><a href>{{ v }}</a></p>", "fine"),
        ("a style that no variable is in", "<p style='color: red'>{{ v }}</p>", "fine"),
        ("a variable in a style", "<p style='color: {{ v }}'>x</p>",
         "a variable in style= could hide or cover anything: choose a class with {% if %}"),
        ("what would run, in what is no link", "<p title='javascript: a language'>{{ v }}</p>", "fine"),
        ("what would run, in a link", "<a href='javascript:x'>a</a>",
         "href= must lead to a web address, a mailbox or a number"),
        ("a comment over two lines", "{#\n<script>x()</script>\n#}", LINES),
        ("a link with a variable in one", "{#\n<a href=http://x/{{ v }}>go</a>\n#}", LINES),
        ("a tag over two lines", "{% if v %}x{% endif\n%}", LINES),
        ("a variable over two lines", "<p>{{ v\n}}</p>", LINES),
        ("a comment that holds the start of a variable", "{# {{ #}<script>x()</script>{# }} #}", NO_SCRIPT),
        ("what is printed as it is", "{% verbatim %}{# <script>x()</script> #}{% endverbatim %}", NO_SCRIPT),
        ("braces that are printed as they are", "{% verbatim %}<p>{{ v }}</p>{% endverbatim %}", "fine"),
        ("a tag that prints in place of an attribute", "<p {%firstof\tv%}>x</p>", NO_ATTRIBUTE),
        ("a tag that prints nothing there", "<p {% if v %}hidden{% endif %}>x</p>", "fine"),
        ("a comment there that begins like one", "<p {# firstof v #}>x</p>", "fine"),
        ("a tag on each of two lines", "{% if v %}\n<p>{# a #}{{ v }}</p>\n{% endif %}", "fine"),
        ("a comment that has none to end it", "<p>{# a</p>", "fine"),
        ("braces of a style sheet", "<style>@media print {#a\n{color: red}}\n</style>", "fine"),
        ("two problems: the first is told", "<p onclick='x()'><form></form></p>",
         "onclick= is for no mail client: take it out"),
        ("a variable in a style sheet", "<style>p{color:{{ v }}}</style>",
         "a variable in <style> could hide or cover anything"),
    ]),
]  # fmt: skip


def _slot(layout: str) -> str:
    return "has a slot" if has_slot(layout) else "has none"


PARTS = [
    *table("slot of a layout", _slot, [
        ("among others", "<title>{{ subject }}</title>{{content}}", "has a slot"),
        ("alone", "{{ content }}", "has a slot"),
        ("only others", "{{ subject }}", "has none"),
        ("none at all", "<p>x</p>", "has none"),
    ]),
    *table("direction of a language", direction, [
        ("unknown, of a region", "xx-YY", "ltr"), ("unknown", "yy", "ltr"),
        ("known, of an unknown region", "he-XYZ", "rtl"),
    ]),
    *table("styles", inline_styles, [
        ("without a style sheet not a letter changes", "<p class=a>x", "<p class=a>x"),
        ("with one", "<html><head><style>.a{color:red}</style></head><body><p class=a>x</body></html>",
         f"<html><head></head><body><p {RED}>x</p></body></html>"),
    ]),
    *table("text of HTML", text_of_html, [
        ("a link that leads nowhere", "<a name='top'>up</a>", "up"),
        ("a link within the document", "<a href='#top'>up</a>", "up"),
        ("a link", "<a href=' https://a.example/ '>up</a>", "up (https://a.example/)"),
        ("space alone", " \n ", ""),
        ("more than one blank line in a row", "<p>a</p><br><br><br><p>b</p>", "a\n\nb"),
    ]),
]  # fmt: skip
CASES = [*AHEAD, *SAFETY, *PARTS]
