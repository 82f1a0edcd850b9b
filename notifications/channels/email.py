"""Email: one mailbox, a subject line, an HTML and a text part."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.html import strip_tags
from email_validator import EmailNotValidError, validate_email

from ..enums import Channel
from ..messages import Content
from ..rules.rendering import one_line
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


def content(parts: Mapping[str, str]) -> Content:
    """Return the message; a missing text part is made from the HTML."""
    html = parts.get("html", "")
    text = parts.get("text", "") or "\n".join(line.strip() for line in strip_tags(html).splitlines() if line.strip())
    return Content(subject=one_line(parts["subject"]), html=html, text=text)


EMAIL = ChannelSpec(
    channel=Channel.EMAIL,
    parts=(Part("subject", required=True), Part("html", escape=True), Part("text")),
    files=tuple(_FILES),
    normalise=normalise,
    mask=mask,
    read=lambda files: {_FILES[name]: text for name, text in files.items() if name in _FILES},
    content=content,
)
