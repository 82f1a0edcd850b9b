"""The functions that `<app>/notifications.py` declares with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db.models import Model, QuerySet

from ..enums import Priority, UncertainPolicy
from ..exceptions import ConfigurationError
from .kinds import (
    FIRST_PATIENCE,
    TYPES,
    USUAL_PATIENCE,
    VARIABLE,
    AudienceDeclaration,
    CategoryDeclaration,
    TemplateDeclaration,
)
from .limits import parse_digest, parse_throttle, patience_within
from .registry import keep, place, registry
from .values import bind, duration, first_and_later, long_enough, need, need_mapping, need_slug, one_of, shaped

T = TypeVar("T")
P = ParamSpec("P")


def _declares(stand_in: Callable[[], T]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a declaration's mistakes say where it stands; while they are collected, return a stand-in instead."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)

        @wraps(function)
        def declare(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                bind(function.__name__, signature, args, kwargs)
                return function(*args, **kwargs)
            except ConfigurationError as problem:
                text = f"{place()}: {problem}"
                if not registry.collecting:
                    raise ConfigurationError(text) from None
                registry.problems.append(text)
                return stand_in()

        return declare

    return decorate


@_declares(lambda: CategoryDeclaration("", ()))
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
    label: str = "",
    description: str = "",
) -> CategoryDeclaration:
    """Declare a category of messages and return its handle.

    Durations are timedeltas or seconds. `mandatory` overrides preference and quiet hours, never suppression. `label`
    and `description` are what recipients read on their preference page, translated by your own catalogues (mark them
    with `gettext_noop`).

    Raises:
        ConfigurationError: a value is impossible; the text names the category, the value and where it stands.
    """
    where = f"category({slug!r})"
    need_slug(slug, where)
    level = Priority(one_of(where, "priority", priority, Priority.values))
    lifetime = duration(where, "ttl", ttl)
    wait = duration(where, "patience", patience) or FIRST_PATIENCE.get(level, USUAL_PATIENCE)
    first, later = first_and_later(where, channels, fallback)
    return registry.add_category(
        CategoryDeclaration(
            slug=slug,
            channels=first,
            mandatory=mandatory,
            priority=level,
            fallback=later,
            patience=patience_within(wait, lifetime),
            fallback_after=duration(where, "fallback_after", fallback_after),
            ttl=lifetime,
            throttle=shaped(where, "throttle", throttle, parse_throttle),
            digest=shaped(where, "digest", digest, parse_digest),
            uncertain=UncertainPolicy(one_of(where, "uncertain", uncertain, UncertainPolicy.values)),
            retention=long_enough(where, retention),
            label=str(label),
            description=str(description),
        )
    )


@_declares(lambda: TemplateDeclaration("", CategoryDeclaration("", ())))
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
        ConfigurationError: a name or type is impossible; the text names the template, the value and where it stands.
    """
    where = f"template({slug!r})"
    need_slug(slug, where)
    need(isinstance(category, CategoryDeclaration), where, "category must be what category(...) returned")
    need_mapping(variables, where, 'variables must be a dict of names and types, such as {"code": str}')
    need_mapping(sample, where, 'sample must be a dict of names and values, such as {"code": "123456"}')
    declared = dict(variables or {})
    for name, kind in declared.items():
        need(VARIABLE.match(str(name)), where, f"variable {name!r} must be a lower-case identifier")
        need(kind in list(TYPES), where, f"variable {name!r} must be one of {', '.join(TYPES.values())}")
    need(not isinstance(sensitive, str), where, f"sensitive must be a list, such as [{sensitive!r}]")
    unknown = {str(name) for name in sensitive} - set(declared)
    need(not unknown, where, f"sensitive names unknown variables: {', '.join(sorted(unknown))}")
    declaration = TemplateDeclaration(
        slug=slug,
        category=category,
        variables={name: TYPES[kind] for name, kind in declared.items()},
        sensitive=frozenset(sensitive),
        sample=dict(sample or {}),
    )
    # A stand-in's templates are not kept: they are as good as their category, which is reported.
    return registry.add_template(declaration) if category.channels else declaration


def audience(function: Callable[..., QuerySet[Model]]) -> AudienceDeclaration:
    """Register a function that returns a queryset of users, under its own name.

    Raises:
        ConfigurationError: a parameter has no name of its own, by which it could be stored.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        need(named, f"audience {function.__name__}", f"parameter {name!r} must be one that can be given by name")
    return keep(registry.audiences, function.__name__, AudienceDeclaration(function), "audience")
