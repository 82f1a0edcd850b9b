"""What a declaration is: a category, a template, an audience."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import update_wrapper

from django.db.models import Model, QuerySet

from ..enums import Channel, Priority, UncertainPolicy
from ..exceptions import ConfigurationError
from . import parameters

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
    label: str = ""
    description: str = ""


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

    def stored(self, params: Mapping[str, object]) -> dict[str, object]:
        """Return parameters as JSON keeps them, once they fit the function's names and annotations.

        Raises:
            TypeError: they do not; the text says which. A value that does not fit is a `Misfit`, with its path.
        """
        kept: dict[str, object] = parameters.stored(params)  # type: ignore[assignment]  # an object stays one
        parameters.arguments(self.signature, kept)
        return kept

    def queryset(self, params: Mapping[str, object]) -> QuerySet[Model]:
        """Return the users that the audience means now; the parameters are as `stored` returned them."""
        return self.function(**parameters.arguments(self.signature, params))


def _signature(function: Callable[..., object]) -> inspect.Signature:
    """Return a function's signature with its annotations as types, where they can be had at run time."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)
