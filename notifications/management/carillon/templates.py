"""`carillon templates`: what is published in which language, and what a deploy and the console disagree about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from django.core.management.base import CommandParser

from notifications.flows.declare import load_declarations
from notifications.models import Template, TemplateVersion

from .base import Console, Subcommand


class Templates(Subcommand):
    """Lists templates, or brings them into step with the code."""

    name = "templates"
    help = "list templates with versions, languages and conflicts; `templates sync` loads declarations and words"
    below = ("list", "sync")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("action", nargs="?", choices=self.below, default="list")

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """List; after `sync`, list what there is now."""
        if options["action"] == "sync":
            before = TemplateVersion.objects.count()
            load_declarations()
            console.note(f"Declarations loaded; new versions: {TemplateVersion.objects.count() - before}.")
        for template in Template.objects.select_related("category", "current").prefetch_related("versions"):
            console.out.write(_line(template))
            for version in template.versions.all():
                if version.conflict and (template.current is None or version.number > template.current.number):
                    console.out.write(
                        f"  conflict: version {version.number} came with a deploy after the console had published;"
                        " it is not used until someone decides in the admin"
                    )
        return 0


def _line(template: Template) -> str:
    head = f"{template.slug}  ({template.category.slug}, from {template.source})"
    if template.current is None:
        return f"{head}  no words: add notification_templates/{template.slug}/<locale>/"
    locales: dict[str, list[str]] = defaultdict(list)
    for words in template.current.translations.order_by("channel", "locale"):
        locales[words.channel].append(words.locale)
    shown = "; ".join(f"{channel}: {', '.join(names)}" for channel, names in locales.items())
    return f"{head}  version {template.current.number} from {template.current.source}  {shown}"
