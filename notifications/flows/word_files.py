"""Words as files: out of the ORM into a folder that git can keep, back in, and tried without sending anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db import OperationalError, ProgrammingError, transaction

from ..channels import SPECS
from ..conf import did_you_mean
from ..declarations import registry
from ..declarations.slugs import LAYOUT
from ..enums import Channel
from ..exceptions import ConfigurationError
from ..models import Template, TemplateVersion
from ..rules.locales import usable_locale
from .declare import FOLDER, find_words, read_folder
from .layout import Words, words_of
from .operate import By, publish_words
from .words import as_in_files, problems_in


@dataclass(frozen=True)
class Imported:
    """A version that an import made, and what it did to each channel and language ("email de") of the words in use."""

    version: TemplateVersion
    added: tuple[str, ...]
    changed: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def export_words(folder: Path) -> list[Path]:
    """Write the published words as `<folder>/<template>/<language>/<files>`, as apps ship them; return the files."""
    written = []
    for template in Template.objects.exclude(current=None).select_related("current"):
        for (channel, locale), parts in words_of(template.current).items() if template.current else ():
            place = folder / template.slug / locale
            place.mkdir(parents=True, exist_ok=True)
            for name, text in SPECS[channel].write(parts).items():
                (place / name).write_text(text, encoding="utf-8")
                written.append(place / name)
    return sorted(written)


def import_words(folder: Path, author_id: object, by: By, *, remove: bool = False) -> list[Imported]:
    """Publish the words in a folder as the console would; return what is new.

    A file that is not there changes nothing, since a translator returns one language of it all; with `remove`, the
    words of each template in the folder are those in the folder and no others.

    Raises:
        ConfigurationError: something is wrong with the words or their place; nothing was published.
    """
    with transaction.atomic():
        problems: list[str] = []
        made = []
        for slug, words in sorted(_read(folder, problems).items(), key=lambda item: item[0] != LAYOUT):
            template = Template.objects.select_for_update(of=("self",)).filter(slug=slug).first()
            if template is None:
                problems.append(_unknown(folder / slug, slug))
                continue
            before = as_in_files(words_of(template.current)) if template.current else {}
            after = words if remove else _merged(before, words)
            found = list(_problems(template, {place: after[place] for place in words}, folder, None))
            problems += found
            version = None if found else publish_words(template, after, template.current_id, author_id, by)
            if version is not None:
                made.append(_imported(version, before, after))
        if problems:
            raise ConfigurationError("\n".join(problems))
    return made


def _merged(before: Words, words: Words) -> Words:
    """Return the words in use with what files say in place of what the same files said before."""
    found = dict(before)
    for (channel, locale), parts in words.items():
        written = {_file_of(channel, part) for part in parts}
        stays = {
            part: text
            for part, text in before.get((channel, locale), {}).items()
            if _file_of(channel, part) not in written
        }
        found[channel, locale] = {**stays, **parts}
    return found


def _imported(version: TemplateVersion, before: Words, after: Words) -> Imported:
    def named(places: Iterable[tuple[Channel, str]]) -> tuple[str, ...]:
        return tuple(sorted(f"{channel} {locale}" for channel, locale in places))

    both = set(before) & set(after)
    return Imported(
        version,
        added=named(set(after) - both),
        changed=named(place for place in both if before[place] != after[place]),
        kept=named(place for place in both if before[place] == after[place]),
        removed=named(set(before) - both),
    )


def check_words(folder: Path | None = None) -> list[str]:
    """Return what is wrong with the words in a folder, or in all apps' folders, each problem with its file's name."""
    problems: list[str] = []
    words = _read(folder, problems) if folder else find_words(problems)
    known = {place[1]: parts["html"] for place, parts in _layouts(words).items()}
    for slug, found in sorted(words.items()):
        template = _template(slug)
        if template is None:
            problems.append(_unknown((folder or Path(FOLDER)) / slug, slug))
        else:
            problems += _problems(template, found, folder or Path(FOLDER), known)
    return problems


def _read(folder: Path, problems: list[str]) -> dict[str, Words]:
    """Return the words in a folder by template; what cannot be read is added to `problems`."""
    found: dict[str, Words] = {}
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder")
    for slug in sorted(item for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")):
        for locale in sorted(item for item in slug.iterdir() if item.is_dir()):
            if not usable_locale(locale.name):
                problems.append(f"{locale}: {locale.name!r} is no language tag")
                continue
            try:
                found.setdefault(slug.name, {}).update(read_folder(slug.name, locale, locale.name))
            except ConfigurationError as error:
                problems.append(str(error))
    return {slug: words for slug, words in found.items() if words}


def _layouts(words: Mapping[str, Words]) -> Words:
    return words.get(LAYOUT) or find_words().get(LAYOUT, {})


def _template(slug: str) -> Template | None:
    """Return a template's contract: as it is declared, else as the console made it, if there is a database to ask."""
    declared = registry.templates.get(slug)
    if declared is not None:
        return Template(slug=slug, variables=dict(declared.variables), sample=dict(declared.sample))
    try:
        with transaction.atomic():
            return Template.objects.filter(slug=slug).first()
    except (OperationalError, ProgrammingError):
        return None


def _unknown(place: Path, slug: str) -> str:
    return f"{place}: there is no template {slug!r}; {did_you_mean(slug, tuple(registry.templates))}"


def _problems(template: Template, words: Words, folder: Path, known: Mapping[str, str] | None) -> Iterator[str]:
    for (channel, locale, part), problem in sorted(problems_in(template, words, known).items()):
        yield f"{folder / template.slug / locale / _file_of(channel, part)}: {part}: {problem}"


def _file_of(channel: Channel, part: str) -> str:
    return next(iter(SPECS[channel].write({part: ""})), SPECS[channel].files[0])
