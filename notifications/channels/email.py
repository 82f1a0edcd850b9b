"""Email: one mailbox, a subject line, an HTML and a text part."""

from __future__ import annotations

from collections.abc import Mapping

from email_validator import EmailNotValidError, validate_email

from ..enums import Channel
from ..messages import Content
from ..rules.email_ahead import Unfit, styled_ahead, text_ahead
from ..rules.email_layout import LAYOUT_PART, is_whole, wrap
from ..rules.email_safety import without_bad_links
from ..rules.email_style import inline_styles
from ..rules.email_text import text_of_html, tidy
from ..rules.rendering import one_line, plain
from .base import ChannelSpec, Part

_FILES = {"email.subject.txt": "subject", "email.html": "html", "email.txt": "text"}


def normalise(value: str) -> str:
    """Return a mailbox with its domain in lower case.

    Raises:
        ValueError: it is no mailbox.
    """
    try:
        found = validate_email(value.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError("is not an email address") from error
    return str(found.normalized)


def mask(address: str) -> str:
    """Return a mailbox with all but its first letter and domain hidden."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def prepare(parts: Mapping[str, str], locale: str) -> dict[str, str]:
    """Return the sources of a language's parts, the layout around the HTML, with all that can be done ahead.

    HTML whose styles depend on values is `unstyled`: it gets them when it is rendered. A text part that is not written
    is `derived` from the HTML if that can be done ahead, else when it is rendered.
    """
    done = {name: source for name, source in parts.items() if name != LAYOUT_PART}
    html = done.pop("html", "")
    if not html.strip():
        return done
    if LAYOUT_PART in parts and not is_whole(html):
        html = wrap(parts[LAYOUT_PART], parts, locale)
    try:
        done["html"] = styled_ahead(html)
    except Unfit:
        done["unstyled"] = html
    if not done.get("text", "").strip():
        try:
            done["derived"] = text_ahead(html)
        except Unfit:
            done.pop("text", None)
    return done


def content(parts: Mapping[str, str]) -> Content:
    """Return the message; a missing text part is made from the HTML."""
    html = without_bad_links(plain(parts.get("html") or inline_styles(parts.get("unstyled", ""))))
    text = parts.get("text") or tidy(parts.get("derived", "")) or text_of_html(html)
    return Content(subject=one_line(parts["subject"]), html=html, text=plain(text))


EMAIL = ChannelSpec(
    channel=Channel.EMAIL,
    parts=(Part("subject", required=True), Part("html", escape=True), Part("text")),
    files=tuple(_FILES),
    normalise=normalise,
    mask=mask,
    read=lambda files: {_FILES[name]: text for name, text in files.items() if name in _FILES},
    content=content,
    write=lambda parts: {name: parts[part] for name, part in _FILES.items() if part in parts},
    prepare=prepare,
    made=(Part("unstyled", escape=True), Part("derived")),
)
