"""SMS: numbers in E.164, one part of plain text."""

from __future__ import annotations

from collections.abc import Mapping

import phonenumbers

from ..enums import Channel
from ..messages import Content
from ..rules.rendering import plain
from ..rules.sms_segments import MOST_SEGMENTS, count_segments, with_plain_spaces
from .base import ChannelSpec, Part


def normalise(value: str) -> str:
    """Return a number as E.164 ("+4915112345678").

    Raises:
        ValueError: it is no possible international number.
    """
    try:
        parsed = phonenumbers.parse(value.strip())
    except phonenumbers.NumberParseException as error:
        raise ValueError("is not an international phone number such as +4915112345678") from error
    if not phonenumbers.is_possible_number(parsed):
        raise ValueError("has too many or too few digits for a phone number")
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def mask(address: str) -> str:
    """Return a number with all but its end hidden."""
    return f"{address[:3]}…{address[-2:]}" if len(address) > 6 else "…"


def content(parts: Mapping[str, str]) -> Content:
    """Return the message.

    Raises:
        ValueError: it takes more segments than anybody should pay for.
    """
    text = with_plain_spaces(plain(parts["text"]).strip())
    segments = count_segments(text)
    if segments.parts > MOST_SEGMENTS:
        raise ValueError(f"takes {segments.parts} segments of {segments.encoding}; {MOST_SEGMENTS} are allowed")
    return Content(text=text)


SMS = ChannelSpec(
    channel=Channel.SMS,
    parts=(Part("text", required=True),),
    files=("sms.txt",),
    normalise=normalise,
    mask=mask,
    read=lambda files: {"text": files["sms.txt"].strip()} if "sms.txt" in files else {},
    content=content,
    write=lambda parts: {"sms.txt": f"{parts['text']}\n"} if "text" in parts else {},
)
