"""Checks of what code declares: categories that can go out, templates that keep their promises, words that render."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from django.conf import settings as django_settings
from django.core.checks import CheckMessage

from ..channels import SPECS
from ..conf import did_you_mean
from ..declarations import CategoryDeclaration, TemplateDeclaration, registry
from ..declarations.slugs import BUILT_IN
from ..enums import Channel
from ..flows.compose import compile_parts
from ..flows.declare import FOLDER, Words, find_words
from ..flows.link_hosts import strange_hosts
from ..flows.words import LINKS
from ..rules.data import problems_with
from ..rules.email_safety import problem_in
from ..rules.rendering import RenderError, render_part
from .base import error, routed_channels, usable, warning

CORRECT = "correct the file that the message names"
_MISSING = re.compile(r"variable (\S+) is missing")


def check_declarations(**_: object) -> list[CheckMessage]:
    """E054: declarations that cannot be used, or read; every other command than `check` stops at the first of them."""
    hint = "correct that line; until then every other command, worker and server stops there"
    return [error(54, f"{problem}.", hint) for problem in registry.problems]


def check_categories(**_: object) -> list[CheckMessage]:
    """W040: channels that nothing is routed on."""
    messages = []
    routed = routed_channels()
    for slug, category in registry.categories.items():
        lost = [channel for channel in (*category.channels, *category.fallback) if channel not in routed]
        if usable() is not None and routed and lost and slug not in BUILT_IN:
            what = f"category({slug!r}) names {', '.join(lost)}, for which NOTIFICATIONS has no route."
            hint = f'"ROUTES": {{"{lost[0].value}": ["<provider>"], ...}}, or take it out of the category'
            messages.append(warning(40, what, hint))
    return messages


def check_sensitive(**_: object) -> list[CheckMessage]:
    """E041, E042: sensitive variables that would be kept too long, or gathered into a digest."""
    messages = []
    for slug, template in registry.templates.items():
        if not template.sensitive:
            continue
        category = template.category
        if category.ttl is None:
            what = f"template({slug!r}) has sensitive variables, but category({category.slug!r}) has no ttl."
            messages.append(error(41, what, f'category("{category.slug}", ttl=timedelta(minutes=10), ...)'))
        if category.digest:
            what = f"template({slug!r}) has sensitive variables, but category({category.slug!r}) is digested."
            messages.append(error(42, what, f'remove digest="{category.digest}" from category("{category.slug}")'))
    return messages


def check_words(**_: object) -> list[CheckMessage]:
    """E043-E046, W048, W049: words that are missing, cannot be read or rendered, or that nobody declared."""
    refused: list[str] = []
    files = find_words(refused)
    messages = [error(44, problem, CORRECT) for problem in refused]
    if refused:
        return messages
    for slug, template in registry.templates.items():
        if slug in files:
            messages += [*_sample_problems(template), *_render_problems(template, files[slug])]
            messages += _silent_channels(template, files[slug])
        else:
            messages.append(_wordless(template))
    for slug in sorted(set(files) - set(registry.templates)) if not registry.problems else ():
        close = did_you_mean(slug, tuple(registry.templates))
        hint = close if close.startswith("did") else f'template("{slug}", category=..., variables={{...}})'
        messages.append(warning(49, f"{FOLDER}/{slug}/ belongs to no declared template.", hint))
    return messages


def _wordless(template: TemplateDeclaration) -> CheckMessage:
    channel = template.category.channels[0]
    locale, files = django_settings.LANGUAGE_CODE.partition("-")[0], SPECS[channel].files
    hint = f"add {FOLDER}/{template.slug}/{locale}/{files[0]} to the app that declares it"
    return error(43, f"template({template.slug!r}) is declared, but has no words.", hint)


def _silent_channels(template: TemplateDeclaration, words: Words) -> Iterator[CheckMessage]:
    category: CategoryDeclaration = template.category
    spoken = {channel for channel, _ in words}
    for channel in (*category.channels, *category.fallback):
        if channel not in spoken:
            what = f"template({template.slug!r}) has no words for {channel}, which category({category.slug!r}) names."
            hint = f"add {FOLDER}/{template.slug}/<locale>/{SPECS[channel].files[0]}; until then {channel} is skipped"
            yield warning(48, what, hint)


def _sample_problems(template: TemplateDeclaration) -> list[CheckMessage]:
    problems = problems_with(template.sample, template.variables)
    said = "; ".join(f"{item.pointer.rpartition('/')[2]}: {item.detail}" for item in problems)
    if not problems:
        return []
    names = ", ".join(f'"{name}": ...' for name in template.variables)
    what = f"template({template.slug!r}): the sample does not fit the variables ({said}), so its words stay untested."
    return [warning(46, what, f"sample={{{names}}}")]


def _render_problems(template: TemplateDeclaration, words: Words) -> Iterator[CheckMessage]:
    covered = not problems_with(template.sample, template.variables)
    for (channel, locale), parts in sorted(words.items()):
        for name, source in parts.items():
            file = f"{FOLDER}/{template.slug}/{locale}/{file_of(channel, name)}"
            try:
                compiled = compile_parts(channel, {name: source})
            except RenderError as problem:
                said, found, _ = str(problem).partition(" Did you forget to register or load this tag?")
                hint = f"{CORRECT}: tags of other libraries, and load itself, are not to be had here"
                yield error(44, f"{file} cannot be compiled: {said}", hint if found else CORRECT)
                continue
            try:
                if covered:
                    sample = {**LINKS, **template.sample}
                    yield from _strange_links(file, name, render_part(compiled[name], sample, locale, None))
            except RenderError as problem:
                yield _unfilled(template, file, str(problem))
            said = problem_in(source) if name == "html" else ""
            if said:
                yield error(45, f"{file}: {said}.", CORRECT)


def _strange_links(file: str, part: str, text: str) -> Iterator[CheckMessage]:
    """Warn of words that no message can be made of: they link to where `ABUSE` allows no link."""
    hosts = strange_hosts(part, text, LINKS) if usable() is not None else []
    if hosts:
        told = (
            f'{file} links to {", ".join(hosts)}, which ABUSE["link_hosts"] does not name: its messages would be dead.'
        )
        yield warning(64, told, f'add them to "link_hosts", or {CORRECT}')


def _unfilled(template: TemplateDeclaration, file: str, problem: str) -> CheckMessage:
    """Return what a part that cannot be rendered says of the contract, or of the sample if that is too small."""
    found = _MISSING.search(problem)
    if found is None:
        return error(45, f"{file}: {problem}.", "correct the words, or the sample of the template")
    name = found[1].partition(".")[0]
    if name in template.variables:
        what = f"{file} uses {found[1]}, which the sample of template({template.slug!r}) lacks: it stays untested."
        return warning(46, what, f"give {found[1]} a value in the sample")
    close = did_you_mean(name, tuple(template.variables))
    hint = close if close.startswith("did") else f'variables={{"{name}": str, ...}}'
    return error(45, f"{file} uses {found[1]}, which template({template.slug!r}) does not declare.", hint)


def file_of(channel: Channel, part: str) -> str:
    """Return the file that a part of a channel's words is written in."""
    files: Mapping[str, str] = {}
    if len(SPECS[channel].files) > 1:
        files = {next(iter(SPECS[channel].read({name: "x"})), ""): name for name in SPECS[channel].files}
    return files.get(part, SPECS[channel].files[0])
