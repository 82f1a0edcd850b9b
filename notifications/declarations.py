"""What developers declare in `<app>/notifications.py`: categories, templates and audiences, kept in a registry.

Developers own the contract (variables, category, mandatory); editors own the words. Declarations are written to
the ORM after `migrate`, and everything else reads them there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import update_wrapper
from typing import TypeVar

from django.db.models import Model, QuerySet

from .enums import Channel, Priority, UncertainPolicy
from .exceptions import ConfigurationError

T = TypeVar("T")

SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
VARIABLE = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
TYPES: dict[type, str] = {str: "str", int: "int", float: "float", bool: "bool", list: "list", dict: "dict"}
FIRST_PATIENCE = {Priority.CRITICAL: timedelta(seconds=20)}
USUAL_PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True)
class CategoryDeclaration:
    """A category as declared in code."""

    slug: str
    channels: tuple[Channel, ...]
    mandatory: bool = False
    priority: Priority = Priority.NORMAL
    fallback: tuple[Channel, ...] = ()
    patience: timedelta = USUAL_PATIENCE
    fallback_after: timedelta | None = None
    ttl: timedelta | None = None
    throttle: str = ""
    digest: str = ""
    uncertain: UncertainPolicy = UncertainPolicy.RESEND
    retention: timedelta | None = None


@dataclass(frozen=True)
class TemplateDeclaration:
    """A template's contract as declared in code; its words live in files and in the ORM."""

    slug: str
    category: CategoryDeclaration
    variables: Mapping[str, str] = field(default_factory=dict)
    sensitive: frozenset[str] = frozenset()
    sample: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class AudienceReference:
    """A storable name for a set of users: the audience's name and its parameters."""

    name: str
    params: Mapping[str, object]


class AudienceDeclaration:
    """A registered function that returns a queryset of users; calling it gives a storable reference."""

    def __init__(self, function: Callable[..., QuerySet[Model]]) -> None:
        update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.signature = _signature(function)

    def __call__(self, *args: object, **kwargs: object) -> AudienceReference:
        """Return a reference with these parameters.

        Raises:
            ConfigurationError: the parameters do not fit the function.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ConfigurationError(f"audience {self.name}{self.signature}: {error}") from error
        bound.apply_defaults()
        return AudienceReference(self.name, dict(bound.arguments))

    def check(self, params: Mapping[str, object]) -> None:
        """Return if the parameters fit the function's names and plain annotations; JSON's null fits none of them.

        Raises:
            TypeError: they do not; the text says which.
        """
        self.signature.bind(**params)
        for name, value in params.items():
            parameter = self.signature.parameters.get(name)
            wanted: object = parameter.annotation if parameter else None
            if not isinstance(wanted, type) or wanted not in TYPES:
                continue
            if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
                raise TypeError(f"{name} must be {TYPES[wanted]}, not {type(value).__name__}")

    def queryset(self, params: Mapping[str, object]) -> QuerySet[Model]:
        """Return the users that the audience means now."""
        return self.function(**params)


class Registry:
    """Everything declared in code, by slug or name."""

    def __init__(self) -> None:
        self.categories: dict[str, CategoryDeclaration] = {}
        self.templates: dict[str, TemplateDeclaration] = {}
        self.audiences: dict[str, AudienceDeclaration] = {}

    def add_category(self, declaration: CategoryDeclaration) -> CategoryDeclaration:
        """Keep a category; the same slug declared differently is an error."""
        return _keep(self.categories, declaration.slug, declaration, "category")

    def add_template(self, declaration: TemplateDeclaration) -> TemplateDeclaration:
        """Keep a template; the same slug declared differently is an error."""
        return _keep(self.templates, declaration.slug, declaration, "template")


registry = Registry()


def category(  # noqa: PLR0913 - the public contract
    slug: str,
    *,
    channels: Sequence[str],
    mandatory: bool = False,
    priority: str = "normal",
    fallback: Sequence[str] = (),
    patience: timedelta | int | None = None,
    fallback_after: timedelta | int | None = None,
    ttl: timedelta | int | None = None,
    throttle: str | None = None,
    digest: str | None = None,
    uncertain: str = "resend",
    retention: timedelta | int | None = None,
) -> CategoryDeclaration:
    """Declare a category of messages and return its handle.

    Durations are timedeltas or seconds. `mandatory` overrides preference and quiet hours, never suppression.

    Raises:
        ConfigurationError: a value is impossible; the text names the category and the value.
    """
    where = f"category({slug!r})"
    _need(bool(SLUG.match(slug)), where, "the slug must be lower-case letters, digits, - or _")
    _need(bool(channels), where, "name at least one channel")
    _need(priority in Priority.values, where, f"priority must be one of {', '.join(Priority.values)}")
    _need(uncertain in UncertainPolicy.values, where, f"uncertain must be one of {', '.join(UncertainPolicy.values)}")
    for channel in (*channels, *fallback):
        _need(channel in Channel.values, where, f"unknown channel {channel!r}; known: {', '.join(Channel.values)}")
    _need(not set(channels) & set(fallback), where, "a fallback channel is already in channels")
    level = Priority(priority)
    lifetime = _duration(ttl)
    wait = _duration(patience) or FIRST_PATIENCE.get(level, USUAL_PATIENCE)
    return registry.add_category(
        CategoryDeclaration(
            slug=slug,
            channels=tuple(Channel(item) for item in channels),
            mandatory=mandatory,
            priority=level,
            fallback=tuple(Channel(item) for item in fallback),
            patience=min(wait, lifetime / 2) if lifetime else wait,
            fallback_after=_duration(fallback_after),
            ttl=lifetime,
            throttle=throttle or "",
            digest=digest or "",
            uncertain=UncertainPolicy(uncertain),
            retention=_duration(retention),
        )
    )


def template(
    slug: str,
    *,
    category: CategoryDeclaration,
    variables: Mapping[str, type] | None = None,
    sensitive: Sequence[str] | frozenset[str] | set[str] = (),
    sample: Mapping[str, object] | None = None,
) -> TemplateDeclaration:
    """Declare a template's contract and return its handle.

    Raises:
        ConfigurationError: a name or type is impossible, or a sensitive template has no ttl or a digest.
    """
    where = f"template({slug!r})"
    _need(bool(SLUG.match(slug)), where, "the slug must be lower-case letters, digits, - or _")
    declared = dict(variables or {})
    for name, kind in declared.items():
        _need(bool(VARIABLE.match(name)), where, f"variable {name!r} must be a lower-case identifier")
        _need(kind in TYPES, where, f"variable {name!r} must be one of {', '.join(TYPES.values())}")
    unknown = set(sensitive) - set(declared)
    _need(not unknown, where, f"sensitive names unknown variables: {', '.join(sorted(unknown))}")
    return registry.add_template(
        TemplateDeclaration(
            slug=slug,
            category=category,
            variables={name: TYPES[kind] for name, kind in declared.items()},
            sensitive=frozenset(sensitive),
            sample=dict(sample or {}),
        )
    )


def audience(function: Callable[..., QuerySet[Model]]) -> AudienceDeclaration:
    """Register a function that returns a queryset of users, under its own name."""
    return _keep(registry.audiences, function.__name__, AudienceDeclaration(function), "audience")


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return a function's signature with its annotations as types, where they can be had at run time."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


def _duration(value: timedelta | int | None) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, int) else value


def _need(condition: object, where: str, problem: str) -> None:
    if not condition:
        raise ConfigurationError(f"{where}: {problem}")


def _keep(known: dict[str, T], key: str, value: T, kind: str) -> T:
    earlier = known.get(key)
    if earlier is not None and earlier != value and not isinstance(value, AudienceDeclaration):
        raise ConfigurationError(f"{kind} {key!r} is declared twice, differently")
    known[key] = value
    return value
