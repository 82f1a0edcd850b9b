"""Words: what is wrong with a template's words, found before anybody is sent them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from ..channels import SPECS
from ..declarations.slugs import LAYOUT
from ..enums import Channel
from ..exceptions import ConfigurationError
from ..models import Template
from ..rules.data import problems_with
from ..rules.email_layout import has_slot
from ..rules.email_safety import problem_in
from ..rules.rendering import BoundedTemplate, RenderError, TooMuch, compile_part, render_part
from .compose import LINK_NAMES, compile_parts, compile_words, render
from .layout import Words, as_sent, layouts, required_parts
from .link_hosts import strange_hosts

Place = tuple[Channel, str, str]
#: What every message has besides its template's own variables; empty where there is nothing to link to.
LINKS = {name: f"https://example.com/{name.removesuffix('_url')}/token/" for name in LINK_NAMES}


def as_in_files(words: Words) -> Words:
    """Return words as they would come back from files: browsers end lines otherwise, and some parts are trimmed."""
    found: Words = {}
    for (channel, locale), parts in words.items():
        lines = {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in parts.items()}
        if kept := SPECS[channel].read(SPECS[channel].write(lines)):
            found[channel, locale] = kept
    return found


def sample_of(template: Template) -> dict[str, object]:
    """Return values to try a template's words with."""
    return {**LINKS, **template.sample}


def problems_in(template: Template, words: Words, known: Mapping[str, str] | None = None) -> dict[Place, str]:
    """Return what is wrong, by (channel, locale, part): a required part without words, or one that cannot be rendered.

    Every part is compiled and rendered with the template's sample, so that a misspelt variable is seen here; then the
    message as a whole, which may be more than its channel carries. `known` are layouts in place of the published ones.
    """
    found: dict[Place, str] = {}
    sample, framed = sample_of(template), as_sent(template.slug, words, layouts() if known is None else known)
    for (channel, locale), parts in words.items():
        for name in required_parts(template.slug, channel):
            if not parts.get(name, "").strip():
                found[channel, locale, name] = _("This part must have words.")
        for name, source in parts.items():
            problem = _problem(template, name, source, escape=name in SPECS[channel].escaped, locale=locale)
            if problem:
                found.setdefault((channel, locale, name), problem)
        is_sound = not any(place[:2] == (channel, locale) for place in found)
        if is_sound and (channel, locale) in framed:
            problem = _problem_with_all(channel, locale, framed[channel, locale], sample)
            if problem:
                found[channel, locale, _largest(parts)] = problem
    return found


def refuse_unusable(template: Template, words: Words) -> None:
    """Refuse words that no message could be made of, whatever its values: also those that render without end.

    Raises:
        ConfigurationError: a part cannot be compiled, or takes too much to render with the sample.
    """
    has_sample = not problems_with(template.sample, template.variables)
    framed = as_sent(template.slug, words, layouts())
    for (channel, locale), parts in words.items():
        try:
            compile_parts(channel, parts)
            compiled = compile_words(channel, locale, framed.get((channel, locale), {}))
            for part in compiled.values() if has_sample else ():
                _try_bounds(part, sample_of(template), locale)
        except RenderError as error:
            raise ConfigurationError(f"template {template.slug!r}, {locale}: {error}") from error


def _try_bounds(part: BoundedTemplate, sample: Mapping[str, object], locale: str) -> None:
    try:
        render_part(part, sample, locale, None)
    except TooMuch:
        raise
    except RenderError:
        return  # a sample may be too small for the words; checks and the console tell


def _problem(template: Template, name: str, source: str, *, escape: bool, locale: str) -> str:
    sample = sample_of(template)
    try:
        text = render_part(compile_part(source, escape=escape), sample, locale, None)
    except RenderError as error:
        return str(error)
    if strange := strange_hosts(name, text, sample):
        return _('Links to %(hosts)s, which ABUSE["link_hosts"] does not name.') % {"hosts": ", ".join(strange)}
    if name == "html" and template.slug == LAYOUT and not has_slot(source):
        return _("The layout must say where an email's words go: {{ content }}")
    return problem_in(source) if name == "html" else ""


def _problem_with_all(channel: Channel, locale: str, parts: Mapping[str, str], sample: Mapping[str, object]) -> str:
    try:
        render(channel, locale, compile_words(channel, locale, parts), sample, "")
    except RenderError as error:
        return str(error)
    return ""


def _largest(parts: Mapping[str, str]) -> str:
    """Return the part that most of a message is made of: where the fault of the whole is shown."""
    return max(parts, key=lambda name: len(parts[name]))
