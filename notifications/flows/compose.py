"""Compose: the words of the pinned version in the recipient's language, with this recipient's variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from ..channels import SPECS
from ..enums import Channel
from ..messages import Content
from ..models import Translation
from ..rules.locales import choose_locale
from ..rules.quiet_hours import zone
from ..rules.rendering import BoundedTemplate, RenderError, compile_part, render_part
from .link_hosts import leads_elsewhere

#: The variables that every message has besides its template's own.
LINK_NAMES = ("unsubscribe_url", "preferences_url")


@dataclass(frozen=True)
class Words:
    """The compiled parts of one version on one channel, by locale, and whether any of them prints a signed link."""

    by_locale: Mapping[str, Mapping[str, BoundedTemplate]]
    has_links: bool


def compose(version_id: int, channel: Channel, locale: str, time_zone: str, data: Mapping[str, object]) -> Content:
    """Return the rendered message.

    Raises:
        RenderError: there are no words, a variable is missing, or a part cannot be rendered.
    """
    found = words(version_id).get(channel)
    by_locale = found.by_locale if found else {}
    chosen = choose_locale(locale, settings.LANGUAGE_CODE, by_locale)
    if chosen is None:
        raise RenderError(f"no words for {channel}")
    return render(channel, chosen, by_locale[chosen], data, time_zone)


def render(
    channel: Channel, locale: str, compiled: Mapping[str, BoundedTemplate], data: Mapping[str, object], time_zone: str
) -> Content:
    """Return the message that a language's compiled words make.

    Raises:
        RenderError: a variable is missing, a part cannot be rendered, or the whole is more than the channel carries.
    """
    parts = {name: render_part(part, data, locale, zone(time_zone)) for name, part in compiled.items()}
    missing = [name for name in SPECS[channel].required if name not in parts]
    if missing:
        raise RenderError(f"{channel} in {locale} lacks {', '.join(missing)}")
    try:
        content = SPECS[channel].content(parts)
    except ValueError as error:
        raise RenderError(f"{channel} {error}") from None
    if leads_elsewhere(content, data):
        # The host itself is not told: it may be a value's.
        raise RenderError(f'{channel} links to a host that ABUSE["link_hosts"] does not name')
    return content


def channels_with_words(version_id: int) -> frozenset[Channel]:
    """Return the channels that a version has words for in at least one language."""
    return frozenset(words(version_id))


def wants_links(version_id: int, channel: Channel) -> bool:
    """Whether a message of these words needs its signed links made, which costs more than rendering a short text.

    An email always does: they go into its headers too.
    """
    found = words(version_id).get(channel)
    return channel == Channel.EMAIL or (found is not None and found.has_links)


@lru_cache(maxsize=512)
def words(version_id: int) -> Mapping[Channel, Words]:
    """Return a version's compiled words; versions never change, so they are kept."""
    found: dict[Channel, dict[str, Mapping[str, BoundedTemplate]]] = {}
    linked: set[Channel] = set()
    for row in Translation.objects.filter(version_id=version_id):
        channel = Channel(row.channel)
        found.setdefault(channel, {})[row.locale] = compile_words(channel, row.locale, row.parts)
        if any(name in source for source in row.parts.values() for name in LINK_NAMES):
            linked.add(channel)
    return {channel: Words(by_locale, channel in linked) for channel, by_locale in found.items()}


def compile_words(channel: Channel, locale: str, parts: Mapping[str, str]) -> dict[str, BoundedTemplate]:
    """Return the compiled words of one language as messages are made of them.

    Raises:
        RenderError: a part is not valid; the text names it.
    """
    return compile_parts(channel, SPECS[channel].prepare(parts, locale))


def compile_parts(channel: Channel, parts: Mapping[str, str]) -> dict[str, BoundedTemplate]:
    """Return compiled parts.

    Raises:
        RenderError: a part is not valid; the text names it.
    """
    escaped = SPECS[channel].escaped
    compiled = {}
    for name, source in parts.items():
        try:
            compiled[name] = compile_part(source, escape=name in escaped)
        except RenderError as error:
            raise RenderError(f"{channel} {name}: {error}") from error
    return compiled
