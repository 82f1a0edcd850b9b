"""Declare: bring the ORM into step with what code declares; a deploy never overwrites the console's words silently."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.apps import apps
from django.db import connections, router, transaction
from django.db.migrations.loader import MigrationLoader

from ..channels import SPECS
from ..conf import did_you_mean
from ..declarations import CategoryDeclaration, TemplateDeclaration, registry
from ..declarations.slugs import LAYOUT
from ..enums import Channel, Source
from ..exceptions import ConfigurationError
from ..models import Category, Template, TemplateVersion, Translation
from ..rules.identity import UserKey
from .hash_key import hash_key_is_lost
from .layout import Words, layouts, required_parts, with_layout, words_of
from .words import refuse_unusable

__all__ = ["FOLDER", "Words", "find_words", "load_declarations", "publish", "save_draft", "words_of"]
FOLDER = "notification_templates"


def load_declarations() -> None:
    """Write every declared category, template and its words from files to the ORM.

    Raises:
        ConfigurationError: words cannot be read or compiled; the text names the file's folder.
    """
    hash_key_is_lost()  # remembers the key at the first migrate
    files = find_words()
    with transaction.atomic():
        categories = {slug: _save_category(item) for slug, item in registry.categories.items()}
        # The layout first: the words that come after it are published with it.
        for slug, declared in sorted(registry.templates.items(), key=lambda item: item[0] != LAYOUT):
            template = _save_template(declared, categories[declared.category.slug])
            if slug in files:
                publish(template, files[slug], Source.CODE)


def is_ready(using: str) -> bool:
    """Whether our tables are all in this database, as this version has them.

    A migration backwards, of another database, or of another app before ours has caught up loads nothing.
    """
    if router.db_for_write(Template) != using:
        return False
    tables = connections[using].introspection.table_names()
    if Translation._meta.db_table not in tables or Template._meta.db_table not in tables:
        return False
    loader = MigrationLoader(connections[using])
    newest = loader.graph.leaf_nodes(Template._meta.app_label)
    return all(node in (loader.applied_migrations or ()) for node in newest)


def find_words(refused: list[str] | None = None) -> dict[str, Words]:
    """Return the words in every app's `notification_templates/<slug>/<locale>/`, by slug.

    As with Django's templates, the app that comes first in INSTALLED_APPS wins.

    Raises:
        ConfigurationError: a file is not valid; the text says which. Where `refused` is given, it is added there.
    """
    found: dict[str, Words] = {}
    for slug, locale, folder in word_folders():
        try:
            words = read_folder(slug, folder, locale)
        except ConfigurationError as problem:
            if refused is None:
                raise
            refused.append(str(problem))
            continue
        kept = found.setdefault(slug, {})
        for key, parts in words.items():
            kept.setdefault(key, parts)
    return found


def word_roots() -> list[Path]:
    """Return the apps' folders of words, the winning one first."""
    roots = (Path(config.path) / FOLDER for config in apps.get_app_configs())
    return [root for root in roots if root.is_dir()]


def word_folders() -> Iterator[tuple[str, str, Path]]:
    """Yield slug, locale and folder of all words, the winning ones first."""
    for root in word_roots():
        for slug in sorted(item for item in root.iterdir() if item.is_dir()):
            for locale in sorted(item for item in slug.iterdir() if item.is_dir()):
                yield slug.name, locale.name, locale


def publish(
    template: Template, words: Words, source: Source, *, author_id: UserKey | None = None
) -> TemplateVersion | None:
    """Make a new version of these words, and the current one unless the console has published since the last deploy.

    Return None if the words are those of the current version. A version that came with a deploy after the console had
    published is kept as a conflict, not used until someone decides.

    Raises:
        ConfigurationError: a part cannot be compiled, or renders without end.
    """
    checksum = checksum_of(words)
    from_code = template.versions.filter(source=Source.CODE).order_by("-number").first()
    if source == Source.CODE and from_code is not None and from_code.checksum == checksum:
        return None
    refuse_unusable(template, words)
    current = template.current
    conflict = source == Source.CODE and current is not None and current.source == Source.CONSOLE
    made = TemplateVersion(
        template=template, source=source, checksum=checksum, conflict=conflict, created_by_id=author_id
    )
    store(made, words, layouts())
    if not conflict:
        if source == Source.CONSOLE:
            template.versions.filter(conflict=True).update(conflict=False)  # somebody has decided
        _use(template, made)
    return made


def save_draft(template: Template, words: Words, *, author_id: UserKey | None = None) -> TemplateVersion:
    """Keep words as a version that is not published.

    Raises:
        ConfigurationError: a part cannot be compiled, or renders without end.
    """
    refuse_unusable(template, words)
    made = TemplateVersion(
        template=template, source=Source.CONSOLE, checksum=checksum_of(words), draft=True, created_by_id=author_id
    )
    store(made, words, layouts())
    return made


def store(version: TemplateVersion, words: Words, known: Mapping[str, str]) -> None:
    """Write a version with its words under the template's next number, each email with the layout around it."""
    latest = version.template.versions.order_by("-number").first()
    version.number = latest.number + 1 if latest else 1
    version.save(force_insert=True)
    Translation.objects.bulk_create(
        [
            Translation(version=version, channel=channel, locale=locale, parts=parts)
            for (channel, locale), parts in sorted(with_layout(version.template.slug, words, known).items())
        ]
    )


def _use(template: Template, version: TemplateVersion) -> None:
    template.current = version
    template.save(update_fields=["current"])
    if template.slug == LAYOUT:
        _frame_anew()


def _frame_anew() -> None:
    """Publish whatever stands in another layout once more in this one: the same words, from the same hand."""
    known = layouts()
    for template in Template.objects.exclude(slug=LAYOUT).exclude(current=None).select_related("current"):
        old = template.current
        if old is None:
            continue
        words = words_of(old)
        framed = {(Channel(row.channel), row.locale): row.parts for row in old.translations.all()}
        if with_layout(template.slug, words, known) == framed:
            continue
        made = TemplateVersion(
            template=template, source=old.source, checksum=old.checksum, created_by_id=old.created_by_id
        )
        store(made, words, known)
        _use(template, made)


def read_folder(slug: str, folder: Path, locale: str) -> Words:
    """Return the words in one language's folder.

    Raises:
        ConfigurationError: a file is not valid; the text says which.
    """
    texts = {item.name: _text(item) for item in sorted(folder.iterdir()) if item.is_file()}
    known = {name for spec in SPECS.values() for name in spec.files}
    unknown = sorted(set(texts) - known)
    if unknown:
        hint = did_you_mean(unknown[0], tuple(sorted(known)))
        raise ConfigurationError(f"{folder}: unknown files {', '.join(unknown)}; {hint}")
    words: Words = {}
    for channel, spec in SPECS.items():
        try:
            parts = spec.read(texts)
        except ValueError as error:
            raise ConfigurationError(f"{folder}: {error}") from error
        missing = [name for name in required_parts(slug, channel) if name not in parts]
        if parts and missing:
            raise ConfigurationError(f"{folder}: {channel} needs {', '.join(missing)}")
        if parts:
            words[channel, locale] = parts
    return words


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not UTF-8") from error


def _save_category(item: CategoryDeclaration) -> Category:
    values = {
        "mandatory": item.mandatory,
        "priority": item.priority,
        "channels": list(item.channels),
        "fallback": list(item.fallback),
        "patience": item.patience,
        "fallback_after": item.fallback_after,
        "ttl": item.ttl,
        "throttle": item.throttle,
        "digest": item.digest,
        "uncertain": item.uncertain,
        "retention": item.retention,
        "label": item.label,
        "description": item.description,
        "source": Source.CODE,
    }
    return Category.objects.update_or_create(slug=item.slug, defaults=values)[0]


def _save_template(item: TemplateDeclaration, category: Category) -> Template:
    values = {
        "category": category,
        "variables": dict(item.variables),
        "sensitive": sorted(item.sensitive),
        "sample": dict(item.sample),
        "source": Source.CODE,
    }
    return Template.objects.update_or_create(slug=item.slug, defaults=values)[0]


def checksum_of(words: Words) -> str:
    """Return what tells these words from others."""
    ordered = sorted((channel.value, locale, sorted(parts.items())) for (channel, locale), parts in words.items())
    return hashlib.sha256(json.dumps(ordered, ensure_ascii=False).encode()).hexdigest()
