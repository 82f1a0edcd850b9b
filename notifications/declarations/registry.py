"""Where declarations are kept, by slug or name, each with the place where it stands."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..exceptions import ConfigurationError
from .kinds import AudienceDeclaration, CategoryDeclaration, TemplateDeclaration

T = TypeVar("T")


class Place(NamedTuple):
    """Where a declaration stands."""

    module: str
    file: str
    line: int

    def __str__(self) -> str:
        path, here = Path(self.file), Path.cwd()
        return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{self.line}"


class Registry:
    """Everything declared in code, by slug or name.

    A declaration that cannot be used raises where it stands, so that no worker and no server runs with half of them.
    Only for `manage.py check` are they `collected`: it goes on, and reports every one of `problems` as E054.
    """

    def __init__(self) -> None:
        self.collecting = False
        self.problems: list[str] = []
        self.places: dict[tuple[str, str], Place] = {}
        self.categories: dict[str, CategoryDeclaration] = {}
        self.templates: dict[str, TemplateDeclaration] = {}
        self.audiences: dict[str, AudienceDeclaration] = {}

    def add_category(self, declaration: CategoryDeclaration) -> CategoryDeclaration:
        """Keep a category; the same slug declared differently is an error."""
        return keep(self.categories, declaration.slug, declaration, "category")

    def add_template(self, declaration: TemplateDeclaration) -> TemplateDeclaration:
        """Keep a template; the same slug declared differently is an error."""
        return keep(self.templates, declaration.slug, declaration, "template")


registry = Registry()


def place() -> Place:
    """Return the nearest line outside this package."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back is not None and _is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    if frame is None:  # an interpreter without frames
        return Place("?", "?", 0)
    return Place(str(frame.f_globals.get("__name__")), frame.f_code.co_filename, frame.f_lineno)


def _is_ours(module: object) -> bool:
    return str(module).rpartition(".")[0] == __package__


def keep(known: dict[str, T], key: str, value: T, kind: str) -> T:
    """Keep a declaration under its slug or name, and where it was first declared."""
    here, earlier = place(), known.get(key)
    if earlier is not None and not _same(earlier, value):
        first = registry.places.get((kind, key), here)
        what = f"is declared twice, differently: in {first.module} ({first}) and in {here.module}"
        raise ConfigurationError(f"{kind} {key!r} {what}")
    registry.places.setdefault((kind, key), here)
    known[key] = value
    return value


def _same(earlier: object, value: object) -> bool:
    """Whether a declaration repeats an earlier one: equal, or an audience of the same module, read again."""
    if isinstance(earlier, AudienceDeclaration) and isinstance(value, AudienceDeclaration):
        return earlier.function.__module__ == value.function.__module__
    return earlier == value
