"""`carillon templates`: what is published in which language, and words as files."""

from __future__ import annotations

import getpass
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from notifications.flows.declare import load_declarations
from notifications.flows.operate import By
from notifications.flows.word_files import check_words, export_words, import_words
from notifications.models import Template, TemplateVersion

from .base import Console, Subcommand


class Templates(Subcommand):
    """Lists templates, brings them into step with the code, and takes their words out to files, in, or to the test."""

    name = "templates"
    help = (
        "list templates with versions, languages and conflicts; `sync` loads declarations and words, "
        "`export DIR` and `import DIR` take the published words out and in (what DIR lacks stays, unless `--remove`), "
        "`check [DIR]` tries words with the samples"
    )
    below = ("list", "sync", "export", "import", "check")

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("action", nargs="?", choices=self.below, default="list")
        parser.add_argument("folder", nargs="?", metavar="DIR", help="a folder of <template>/<language>/<files>")
        parser.add_argument(
            "--remove", action="store_true", help="import: of the templates in DIR, take out the words that DIR lacks"
        )

    def run(self, console: Console, options: Mapping[str, object]) -> int:
        """Do it; `check` returns 1 where something is wrong."""
        action, folder = options["action"], Path(str(options["folder"])) if options.get("folder") else None
        if folder is None and action in ("export", "import"):
            raise CommandError(f"Which folder? Write `carillon templates {action} DIR`.")
        if folder is not None and action in ("list", "sync"):
            raise CommandError(f"`carillon templates {action}` takes no folder.")
        if options.get("remove") and action != "import":
            raise CommandError(f"`carillon templates {action}` takes no --remove.")
        if action == "check":
            return _check(console, folder)
        if folder is not None:
            return _export(console, folder) if action == "export" else _import(console, folder, options)
        if action == "sync":
            before = TemplateVersion.objects.count()
            load_declarations()
            console.note(f"Declarations loaded; new versions: {TemplateVersion.objects.count() - before}.")
        _list(console)
        return 0


def _list(console: Console) -> None:
    for template in Template.objects.select_related("category", "current").prefetch_related("versions"):
        console.out.write(_line(template))
        for version in template.versions.all():
            if version.conflict:
                console.out.write(
                    f"  conflict: version {version.number} came with a deploy after the console had published;"
                    " it is not used until someone decides in the admin"
                )


def _export(console: Console, folder: Path) -> int:
    for file in export_words(folder):
        console.out.write(str(file))
    return 0


def _import(console: Console, folder: Path, options: Mapping[str, object]) -> int:
    made = import_words(folder, None, By(_who(), f"import of {folder}"), remove=bool(options.get("remove")))
    for item in made:
        console.out.write(f"{item.version} is in use from now on")
        told = {"added": item.added, "changed": item.changed, "kept": item.kept, "removed": item.removed}
        for what, places in told.items():
            if places:
                console.out.write(f"  {what}: {', '.join(places)}")
    console.note(f"New versions: {len(made)}.")
    return 0


def _check(console: Console, folder: Path | None) -> int:
    problems = check_words(folder)
    for problem in problems:
        console.out.write(problem)
    console.note(f"Problems: {len(problems)}.")
    return 1 if problems else 0


def _who() -> str:
    """Return who sits at the terminal, for the audit."""
    try:
        return f"carillon templates import ({getpass.getuser()})"
    except (KeyError, OSError):
        return "carillon templates import"


def _line(template: Template) -> str:
    head = f"{template.slug}  ({template.category.slug}, from {template.source})"
    if template.current is None:
        return f"{head}  no words: add notification_templates/{template.slug}/<locale>/"
    locales: dict[str, list[str]] = defaultdict(list)
    for words in template.current.translations.order_by("channel", "locale"):
        locales[words.channel].append(words.locale)
    shown = "; ".join(f"{channel}: {', '.join(names)}" for channel, names in locales.items())
    return f"{head}  version {template.current.number} from {template.current.source}  {shown}"
