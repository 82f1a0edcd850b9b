"""What an email's HTML may not do, whoever wrote it: run anything, or let a value choose how it is read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

from django.template.base import Lexer, Token, TokenType

_PRINTS = frozenset({"firstof", "cycle", "translate", "trans", "blocktrans", "blocktranslate"})
_OVER_LINES = re.compile(r"\{%[^{}\n]*\n[^{}]*%\}|\{\{[^{}\n]*\n[^{}]*\}\}|\{#[^\n]*\n(?s:.*?)#\}")
_QUOTED = re.compile("\"[^\"]*\"|'[^']*'", re.DOTALL)
_ACTIVE = frozenset({"script", "iframe", "object", "embed", "form", "base", "frame", "applet"})
_LINKS = ("href", "src", "action", "formaction", "background", "poster", "xlink:href", "srcset")
_GAP = "[\\x00-\\x20\\x7f-\\xa0\\u200b-\\u200f\\u2028-\\u202f\\ufeff]*"
_BAD_SCHEMES = ("javascript", "vbscript", "livescript", "data", "file", "blob", "view-source")
_BAD = "|".join(_GAP.join(name) for name in _BAD_SCHEMES)
_CONTROL = re.compile("[\\x00-\\x1f]")
_BAD_START = re.compile(rf"{_GAP}(?:{_BAD}){_GAP}:", re.IGNORECASE)
# An image within the message is harmless, unless it is one that may hold scripts.
_IMAGE = re.compile(r"\s*data:image/(?:png|gif|jpeg|webp);base64,", re.IGNORECASE)
# It begins with what is found fast; whether it is a link is looked up where one is found.
_BAD_VALUE = re.compile(
    rf"(=\s*[\"']?)(?!data:image/(?:png|gif|jpeg|webp);base64,)({_GAP}(?:{_BAD}){_GAP}:)", re.IGNORECASE
)
_LINK_NAME = re.compile(rf"\b(?:{'|'.join(_LINKS)})\s*$", re.IGNORECASE)
_VALUE = "\ue000"


def is_safe_link(url: str) -> bool:
    """Whether an address may be opened from a message: a web address, a mailbox, a number, or an app's own link."""
    if _BAD_START.match(url) or _CONTROL.search(url):
        return False
    try:
        return urlsplit(url).scheme != ""
    except ValueError:
        return False


def without_bad_links(html: str) -> str:
    """Return a rendered document in which links that would run something lead nowhere."""

    def defused(found: re.Match[str]) -> str:
        before = html[max(0, found.start() - 40) : found.start()]
        return f"{found[1]}about:blank#" if _LINK_NAME.search(before) else found[0]

    return _BAD_VALUE.sub(defused, html)


def problem_in(source: str) -> str:
    """Return what an email's HTML may not have, or "" if there is nothing; seen when words are saved."""
    # As the engine itself reads it: what it takes for a text is printed, whatever it looks like.
    hidden = "".join(_printed(token) for token in Lexer(source).tokenize())
    if _OVER_LINES.search(hidden):
        return "a tag goes over several lines, so it would be printed as it is: write it on one, or use {% comment %}"
    if f"<{_VALUE}" in hidden or f"</{_VALUE}" in hidden:
        return "a variable right after < could become an element of its own"
    seen = _Safety()
    seen.feed(hidden)
    seen.close()
    return seen.problem


def _printed(token: Token) -> str:
    """Return the text that a token prints, or what stands for a value."""
    if token.token_type == TokenType.TEXT:
        return token.contents
    is_tag = token.token_type == TokenType.BLOCK and not _PRINTS.isdisjoint(token.contents.split()[:1])
    prints = is_tag or token.token_type == TokenType.VAR
    return _VALUE if prints else ""


class _Safety(HTMLParser):
    problem = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self._say(f"<{tag}> is for no mail client: take it out")
        if _VALUE in _QUOTED.sub("", str(self.get_starttag_text())):
            self._say(f"<{tag}> has a variable outside of quotes: a value could add attributes of its own")
        for name, value in attrs:
            given = value or ""
            if name.startswith("on"):
                self._say(f"{name}= is for no mail client: take it out")
            elif name == "style" and _VALUE in given:
                self._say("a variable in style= could hide or cover anything: choose a class with {% if %}")
            elif name in _LINKS and _BAD_START.match(given) and not _IMAGE.match(given):
                self._say(f"{name}= must lead to a web address, a mailbox or a number")

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        if _VALUE in data and self.cdata_elem in ("style", "script"):
            self._say(f"a variable in <{self.cdata_elem}> could hide or cover anything")

    def _say(self, problem: str) -> None:
        self.problem = self.problem or problem
