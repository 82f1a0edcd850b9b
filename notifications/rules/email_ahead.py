"""Work on an email's HTML that need not be repeated for each recipient: styles written into elements, a text part.

Both are done once per version and language on the source, with its template tags hidden behind placeholders, wherever
that surely gives the same as doing it to each rendered message: tags stand in balance with the elements around them,
decide no class or style, and none prints HTML. What is not surely the same is left for later.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from .email_style import inline_styles
from .email_text import text_of_html

_TAG = re.compile(
    r"\{%\s*block(?:translate|trans)\b.*?%\}(?s:.*?)\{%\s*endblock(?:translate|trans)\s*%\}"
    r"|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}"
)
_NAME = re.compile(r"\{%\s*(\w+)")
_OPENS = frozenset({"if", "for", "with", "filter", "ifchanged", "spaceless", "language", "localize", "localtime"})
_OPENS |= {"timezone"}
_MIDDLES = frozenset({"elif", "else", "empty"})
_CLOSES = frozenset(f"end{name}" for name in _OPENS)
_UNFIT = re.compile(
    r"\{%\s*(?:verbatim|comment|spaceless|filter)\b"
    r"|\|\s*(?:linebreaks|linebreaksbr|urlize|urlizetrunc|unordered_list|escape|force_escape|linenumbers|json_script)\b"
)
_HTML_IN_WORDS = re.compile(r"\"[^\"]*[&<][^\"]*\"|'[^']*[&<][^']*'")
_MARK = re.compile("\ue000(\\d+)\ue001")
_ANY_MARK = re.compile("<!--\ue000(\\d+)\ue001-->|\ue000(\\d+)\ue001")
_HEAD = re.compile(r"<(head|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BEFORE_ROW = re.compile("(\ue000\\d+\ue001)(?=\\s*<tr\\b)", re.IGNORECASE)
_AFTER_ROW = re.compile("(</tr\\s*>\\s*)(\ue000\\d+\ue001)", re.IGNORECASE)
_DECIDES = ("class", "id", "style")
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})


class Unfit(ValueError):
    """It must be done to each rendered message."""


def styled_ahead(source: str) -> str:
    """Return the source with its styles inlined.

    Raises:
        Unfit: what is printed may decide how it looks.
    """
    hidden = _Hidden(source)
    before = _Balance(hidden, hidden.as_comments())
    html = inline_styles(hidden.as_comments())
    after = _Balance(hidden, html)
    if before.seen != after.seen:
        raise Unfit
    return hidden.restored(html)


def text_ahead(source: str) -> str:
    """Return the source of the text part that says the same.

    Raises:
        Unfit: it cannot be told without the values.
    """
    hidden = _Hidden(source)
    _Balance(hidden, hidden.as_comments())
    if any(hidden.has_html(number) for number in range(len(hidden.tags))):
        raise Unfit
    text = text_of_html(hidden.as_words(rows=True))
    if hidden.segments(text) != hidden.segments(hidden.as_words()):
        raise Unfit
    return hidden.restored(hidden.without_lines_of_tags(text))


class _Hidden:
    """A source whose template tags are hidden behind marks."""

    def __init__(self, source: str) -> None:
        if "\ue000" in source or _UNFIT.search(source):
            raise Unfit
        self.tags: list[str] = []
        self.source = _TAG.sub(self._hide, source)

    def _hide(self, found: re.Match[str]) -> str:
        if found[0].startswith("{#"):
            return ""
        self.tags.append(found[0])
        return f"\ue000{len(self.tags) - 1}\ue001"

    def kind(self, number: int) -> str:
        """Return "opens", "middle", "closes", or "prints"."""
        found = _NAME.match(self.tags[number])
        name = found[1] if found else ""
        kinds = (("opens", _OPENS), ("middle", _MIDDLES), ("closes", _CLOSES))
        return next((kind for kind, names in kinds if name in names), "prints")

    def has_html(self, number: int) -> bool:
        """Whether a tag's own words hold markup, which a text part would show as it is."""
        tag = self.tags[number]
        inner = tag.partition("%}")[2].rpartition("{%")[0]  # of a block; of any other tag it is empty
        return bool(_HTML_IN_WORDS.search(tag) or set(inner) & set("&<"))

    def as_comments(self) -> str:
        """Return it with the tags that structure it as comments, which no parser moves out of a table."""
        return _MARK.sub(
            lambda found: found[0] if self.kind(int(found[1])) == "prints" else f"<!--{found[0]}-->", self.source
        )

    def as_words(self, *, rows: bool = False) -> str:
        """Return its body with every tag as a word; with `rows`, words between the rows of a table are rows too."""
        words = _HEAD.sub("", self.source)
        if rows:
            words = _BEFORE_ROW.sub(r"<tr><td>\1</td></tr>", words)
            words = _AFTER_ROW.sub(r"\1<tr><td>\2</td></tr>", words)
        return words

    def segments(self, text: str) -> list[tuple[str, frozenset[str]]]:
        """Return the tags that structure it in their order, each with what is printed between it and the next."""
        found: list[tuple[str, set[str]]] = [("", set())]
        for number in _MARK.findall(text):
            if self.kind(int(number)) == "prints":
                found[-1][1].add(number)
            else:
                found.append((number, set()))
        return [(number, frozenset(printed)) for number, printed in found]

    def without_lines_of_tags(self, text: str) -> str:
        """Return a text in which lines that hold only tags of structure leave no line behind."""
        structure = "|".join(str(n) for n in range(len(self.tags)) if self.kind(n) != "prints")
        return re.sub(rf"(?m)^[ \t]*((?:\ue000(?:{structure})\ue001[ \t]*)+)\n", r"\1", text)

    def restored(self, text: str) -> str:
        """Return it with its template tags."""
        return _ANY_MARK.sub(lambda found: self.tags[int(found[1] or found[2])], text)


class _Balance(HTMLParser):
    """Goes through a document and makes sure that tags and elements are nested properly.

    Raises:
        Unfit: they are not, or a tag stands where it decides about styles.
    """

    def __init__(self, hidden: _Hidden, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.hidden = hidden
        self.seen: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        if self._open:
            raise Unfit

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        for name, value in attrs:
            marks = _MARK.findall(value or "")
            structured = "<!--\ue000" in (value or "") or "\ue000" in name
            if structured or (marks and name in _DECIDES):
                raise Unfit
            self.seen += marks
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass an element that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        if not self._open or self._open.pop() != tag:
            raise Unfit

    def handle_data(self, data: str) -> None:
        """Pass a text."""
        if "\ue000" in data and (self._open[-1:] in (["style"], ["script"]) or "<!--\ue000" in data):
            raise Unfit
        self.seen += _MARK.findall(data)

    def handle_comment(self, data: str) -> None:
        """Open or close what a template tag structures."""
        found = _MARK.fullmatch(data)
        if found is None:
            if "\ue000" in data:
                raise Unfit
            return
        kind = self.hidden.kind(int(found[1]))
        self.seen.append(found[1])
        if kind in ("middle", "closes") and (not self._open or self._open.pop() != "{%"):
            raise Unfit
        if kind in ("opens", "middle"):
            self._open.append("{%")
