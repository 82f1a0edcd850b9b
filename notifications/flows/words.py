"""Words: what is wrong with a template's words, found before anybody is sent them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from ..channels import SPECS
from ..enums import Channel
from ..models import Template
from ..rules.rendering import RenderError, compile_part, render_part
from .declare import Words

Place = tuple[Channel, str, str]


def problems_in(template: Template, words: Words) -> dict[Place, str]:
    """Return what is wrong, by (channel, locale, part): a required part without words, or one that cannot be rendered.

    Every part is compiled and rendered with the template's sample, so that a misspelt variable is seen here.
    """
    found: dict[Place, str] = {}
    for (channel, locale), parts in words.items():
        spec = SPECS[channel]
        escaped = {part.name for part in spec.parts if part.escape}
        for name in spec.required:
            if not parts.get(name, "").strip():
                found[channel, locale, name] = _("This part must have words.")
        for name, source in parts.items():
            problem = _problem(source, escape=name in escaped, locale=locale, sample=template.sample)
            if problem:
                found.setdefault((channel, locale, name), problem)
    return found


def _problem(source: str, *, escape: bool, locale: str, sample: Mapping[str, object]) -> str:
    try:
        render_part(compile_part(source, escape=escape), sample, locale, None)
    except RenderError as error:
        return str(error)
    return ""
