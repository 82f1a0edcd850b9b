"""SMS: numbers in E.164, one part of plain text."""

from __future__ import annotations

import phonenumbers

from ..enums import Channel
from ..messages import Content
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


SMS = ChannelSpec(
    channel=Channel.SMS,
    parts=(Part("text", required=True),),
    files=("sms.txt",),
    normalise=normalise,
    mask=mask,
    read=lambda files: {"text": files["sms.txt"].strip()} if "sms.txt" in files else {},
    content=lambda parts: Content(text=parts["text"].strip()),
)
