"""Layout: the frame around an email's own words, kept with the version that was published with it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from ..channels import SPECS
from ..declarations.slugs import LAYOUT
from ..enums import Channel
from ..models import Template, TemplateVersion, Translation
from ..rules.email_layout import LAYOUT_PART, is_whole
from ..rules.locales import choose_locale

_ANY_WORDS = (
    "<h1>A heading</h1><p>Some words, and <a href='https://example.com/'>a link</a>.</p>"
    "<p><a class='button' href='https://example.com/'>A button</a></p><p class='quiet'>Words of less weight.</p>"
)
Words = dict[tuple[Channel, str], dict[str, str]]


def required_parts(slug: str, channel: Channel) -> list[str]:
    """Return the parts that a template's words must have: the layout is HTML and nothing else."""
    return ["html"] if slug == LAYOUT else SPECS[channel].required


def layouts() -> dict[str, str]:
    """Return the published layout by language."""
    rows = Translation.objects.filter(version__template__slug=LAYOUT, channel=Channel.EMAIL)
    current = Template.objects.filter(slug=LAYOUT).values("current_id")
    return {row.locale: row.parts.get("html", "") for row in rows.filter(version_id__in=current)}


def with_layout(slug: str, words: Words, known: Mapping[str, str]) -> Words:
    """Return words, each email with the layout that is to go around it; a document of its own has none."""
    found: Words = {}
    for (channel, locale), parts in words.items():
        kept = {name: text for name, text in parts.items() if name != LAYOUT_PART}
        if channel == Channel.EMAIL and slug != LAYOUT and kept.get("html", "").strip() and not is_whole(kept["html"]):
            chosen = choose_locale(locale, settings.LANGUAGE_CODE, known)
            if chosen is not None:
                kept[LAYOUT_PART] = known[chosen]
        found[channel, locale] = kept
    return found


def as_sent(slug: str, words: Words, known: Mapping[str, str]) -> Words:
    """Return words as they go out, for trying them; of the layout, some words in it."""
    if slug != LAYOUT:
        return with_layout(slug, words, known)
    return {
        (channel, locale): {"subject": "…", "html": _ANY_WORDS, LAYOUT_PART: parts.get("html", "")}
        for (channel, locale), parts in words.items()
        if channel == Channel.EMAIL
    }


def words_of(version: TemplateVersion) -> Words:
    """Return a version's words, without the layout around them."""
    return {
        (Channel(row.channel), row.locale): {name: text for name, text in row.parts.items() if name != LAYOUT_PART}
        for row in version.translations.all()
    }
