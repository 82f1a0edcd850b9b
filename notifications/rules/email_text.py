"""The text part of an email that has only HTML, with the addresses of its links."""

from __future__ import annotations

import re
from html import unescape

from django.utils.html import strip_tags

try:
    from inscriptis import get_text
    from inscriptis.model.config import ParserConfig
    from inscriptis.model.html_document_state import HtmlDocumentState
    from inscriptis.model.tag import CustomHtmlTagHandlerMapping
except ImportError:  # the extra `email` is not installed: the text has no lay-out, but all of its words
    get_text = None

CAN_LAY_OUT = get_text is not None
_BLANK_LINES = re.compile(r"\n{3,}")
_HEAD = re.compile(r"<(head|style|script)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_END_OF_LINE = re.compile(r"</(?:p|h[1-6]|li|tr|div|table|blockquote)\s*>|<br\b[^>]*>", re.IGNORECASE)
_LINK = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*(["'])(.*?)\1[^>]*>(.*?)</a\s*>""", re.IGNORECASE | re.DOTALL)


def text_of_html(html: str) -> str:
    """Return what an HTML document says, each link followed by its address."""
    if not html.strip():
        return ""
    return tidy(get_text(html, _CONFIG) if CAN_LAY_OUT else _plainly(html))


def tidy(text: str) -> str:
    """Return a text without space at the ends of its lines and without more than one blank line in a row."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", lines).strip()


def _plainly(html: str) -> str:
    body = _LINK.sub(lambda found: f"{found[3]} ({found[2]})", _HEAD.sub("", html))
    body = _END_OF_LINE.sub("\n", body)
    return "\n\n".join(line.strip() for line in unescape(strip_tags(body)).splitlines() if line.strip())


def _link_begins(state: HtmlDocumentState, attrs: dict[str, str]) -> None:
    target = (attrs.get("href") or "").strip()
    state.link_target = "" if target.startswith("#") else target


def _link_ends(state: HtmlDocumentState) -> None:
    if state.link_target:
        state.tags[-1].write(f" ({state.link_target})")


_CONFIG = (
    ParserConfig(
        display_links=True,
        custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(
            start_tag_mapping={"a": _link_begins}, end_tag_mapping={"a": _link_ends}
        ),
    )
    if CAN_LAY_OUT
    else None
)
