"""Preview: what somebody would get, without sending anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from ..enums import Channel
from ..messages import Content
from ..models import Template
from ..rules.locales import choose_locale
from ..rules.push_payload import MOST_BYTES, RESERVED, payload_size
from ..rules.rendering import RenderError
from ..rules.sms_segments import Segments, beyond_gsm7, count_segments
from .compose import compile_words, render
from .layout import Words, as_sent, layouts
from .words import sample_of

_MOST_BEYOND = 8


@dataclass(frozen=True)
class Preview:
    """One channel's message in one language, or why there is none."""

    channel: Channel
    locale: str
    content: Content
    problem: str = ""
    segments: Segments | None = None
    #: What makes a text message UCS-2, and so more than twice as long.
    beyond: tuple[str, ...] = ()
    size: int = 0
    most: int = MOST_BYTES - RESERVED


def preview(
    template: Template, words: Words, locale: str, data: Mapping[str, object] | None = None, time_zone: str = ""
) -> list[Preview]:
    """Return the message on every channel, as somebody of this language gets it; without `data`, of the sample."""
    values = {**sample_of(template), **(data or {})}
    framed = as_sent(template.slug, words, layouts())
    found = []
    for channel in Channel:
        written = {place[1]: parts for place, parts in framed.items() if place[0] == channel}
        chosen = choose_locale(locale, settings.LANGUAGE_CODE, written)
        if chosen is not None:
            found.append(_preview(channel, chosen, written[chosen], values, time_zone))
    return found


def _preview(
    channel: Channel, locale: str, parts: Mapping[str, str], data: Mapping[str, object], time_zone: str
) -> Preview:
    try:
        content = render(channel, locale, compile_words(channel, locale, parts), data, time_zone)
    except RenderError as error:
        return Preview(channel, locale, Content(), str(error))
    if channel == Channel.SMS:
        beyond = tuple(beyond_gsm7(content.text)[:_MOST_BEYOND])
        return Preview(channel, locale, content, segments=count_segments(content.text), beyond=beyond)
    if channel == Channel.PUSH:
        size = payload_size(content.title, content.body, content.image, content.url, content.data)
        return Preview(channel, locale, content, size=size)
    return Preview(channel, locale, content)


def gaps(words: Words) -> dict[Channel, list[str]]:
    """Return the languages that some channel has words in and this one has not, by channel."""
    locales = {locale for _, locale in words}
    channels = {channel for channel, _ in words}
    missing = {channel: sorted(item for item in locales if (channel, item) not in words) for channel in channels}
    return {channel: names for channel, names in sorted(missing.items()) if names}
