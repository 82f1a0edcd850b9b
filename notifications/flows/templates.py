"""Templates: find the one that a call names."""

from __future__ import annotations

from ..conf import did_you_mean
from ..declarations import SLUG, registry
from ..declarations.slugs import LAYOUT
from ..exceptions import Problem, UnknownTemplate
from ..models import Template


def find_template(slug: str) -> Template:
    """Return the template with its category and published words.

    Raises:
        UnknownTemplate: there is none of that name, or nothing is published.
    """
    template = Template.objects.select_related("category").filter(slug=slug).first() if SLUG.match(slug) else None
    if template is None:
        known = tuple(Template.objects.order_by("slug").values_list("slug", flat=True)[:200])
        hint = did_you_mean(slug, known) if known else "none is declared yet; declare one and run migrate"
        if slug in registry.templates:
            hint = "it is declared, but not loaded yet: run `manage.py migrate` or `manage.py carillon templates sync`"
        raise UnknownTemplate(f"There is no template {slug[:63]!r}.", Problem("/template", "unknown_template", hint))
    if slug == LAYOUT:
        hint = "it is the frame around emails; send one of your own templates"
        raise UnknownTemplate(f"Nothing is sent with {slug!r}.", Problem("/template", "unknown_template", hint))
    published(template)
    return template


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
