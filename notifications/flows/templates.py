"""Templates: find those that calls name."""

from __future__ import annotations

from collections.abc import Collection

from ..conf import did_you_mean
from ..declarations import SLUG, registry
from ..declarations.slugs import LAYOUT
from ..exceptions import Problem, UnknownTemplate
from ..models import Template
from ..models.template_queries import Stamp

_kept: dict[str, tuple[Stamp, Template]] = {}


def find_template(slug: str) -> Template:
    """Return the template with its category and published words; it is shared, and not to be changed.

    Raises:
        UnknownTemplate: there is none of that name, or nothing is published.
    """
    found = find_templates([slug])[slug]
    if isinstance(found, UnknownTemplate):
        raise found
    return found


def find_templates(slugs: Collection[str]) -> dict[str, Template | UnknownTemplate]:
    """Return these templates, or why there is none, by slug.

    A process keeps what it has read. Which row versions hold is asked each time, by one statement, so that what the
    console or a deploy changes counts from the next call on.
    """
    stamps = Template.objects.stamps([slug for slug in slugs if SLUG.match(slug)])
    stale = [slug for slug, stamp in stamps.items() if slug not in _kept or _kept[slug][0] != stamp]
    if stale:
        for template in Template.objects.select_related("category").filter(slug__in=stale):
            _kept[template.slug] = stamps[template.slug], template
    return {slug: _checked(slug, _kept[slug][1] if slug in stamps else None) for slug in slugs}


def _checked(slug: str, template: Template | None) -> Template | UnknownTemplate:
    if template is None:
        return _unknown(slug)
    if slug == LAYOUT:
        hint = "it is the frame around emails; send one of your own templates"
        return UnknownTemplate(f"Nothing is sent with {slug!r}.", Problem("/template", "unknown_template", hint))
    try:
        published(template)
    except UnknownTemplate as error:
        return error
    return template


def _unknown(slug: str) -> UnknownTemplate:
    known = tuple(Template.objects.order_by("slug").values_list("slug", flat=True)[:200])
    hint = did_you_mean(slug, known) if known else "none is declared yet; declare one and run migrate"
    if slug in registry.templates:
        hint = "it is declared, but not loaded yet: run `manage.py migrate` or `manage.py carillon templates sync`"
    return UnknownTemplate(f"There is no template {slug[:63]!r}.", Problem("/template", "unknown_template", hint))


def published(template: Template) -> int:
    """Return the key of the template's published version.

    Raises:
        UnknownTemplate: nothing is published.
    """
    if template.current_id is None:
        slug = template.slug
        raise UnknownTemplate(
            f"Template {slug!r} has no published words.",
            Problem("/template", "no_words", f"add notification_templates/{slug}/<locale>/ and run migrate"),
        )
    return template.current_id
