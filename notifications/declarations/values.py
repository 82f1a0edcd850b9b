"""How values in declarations are read: each mistake is named with the declaration and the value."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from ..conf import did_you_mean
from ..enums import Channel
from ..exceptions import ConfigurationError
from .kinds import SLUG
from .limits import LEAST_RETENTION

_LONGEST = timedelta(days=36_500).total_seconds()


def bind(name: str, signature: inspect.Signature, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    """Return if a call fits the function; a keyword that is not known is named before what is missing."""
    where = f"{name}({args[0]!r})" if args else f"{name}()"
    known = tuple(signature.parameters)
    for keyword in kwargs:
        need(keyword in known, where, f"{keyword!r} is not known; {did_you_mean(keyword, known)}")
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def one_of(where: str, name: str, value: object, known: Sequence[str]) -> str:
    """Return a value that must be one of those known."""
    if isinstance(value, str) and value in known:
        return value
    close = did_you_mean(str(value), tuple(known))
    hint = f"; {close}" if close.startswith("did") else ""
    raise ConfigurationError(f"{where}: {name} must be one of {', '.join(known)}, not {value!r}{hint}")


def channel_list(where: str, name: str, values: Sequence[str]) -> tuple[Channel, ...]:
    """Return a list of channels."""
    listed = isinstance(values, list | tuple | set | frozenset)
    need(listed, where, f'{name} must be a list, such as ["email"], not {values!r}')
    for value in values:
        hint = did_you_mean(str(value), tuple(Channel.values))
        need(value in Channel.values, where, f"unknown channel {value!r}; {hint}")
    need(len(set(values)) == len(values), where, f"{name} lists a channel twice: {', '.join(values)}")
    return tuple(Channel(value) for value in values)


def first_and_later(
    where: str, channels: Sequence[str], fallback: Sequence[str]
) -> tuple[tuple[Channel, ...], tuple[Channel, ...]]:
    """Return a category's primary channels, at least one, and its fallbacks, none of them primary too."""
    first, later = channel_list(where, "channels", channels), channel_list(where, "fallback", fallback)
    need(first, where, "name at least one channel")
    need(not set(first) & set(later), where, "a fallback channel is already in channels")
    return first, later


def duration(where: str, name: str, value: object) -> timedelta | None:
    """Return a timedelta, given as one or as whole seconds; none may be 0 or less."""
    if value is None:
        return None
    found = value
    if isinstance(value, int) and not isinstance(value, bool):
        found = timedelta(seconds=value) if value <= _LONGEST else None
    if not isinstance(found, timedelta) or found <= timedelta(0):
        what = f"{name} must be a timedelta or whole seconds, more than 0, not {value!r}"
        raise ConfigurationError(f"{where}: {what}")
    return found


def long_enough(where: str, retention: object) -> timedelta | None:
    """Return a retention, which none may declare so short that what is still asked for would be gone."""
    found = duration(where, "retention", retention)
    least = f"retention must be at least {LEAST_RETENTION.days} days, since receipts come late, not {retention!r}"
    need(found is None or found >= LEAST_RETENTION, where, least)
    return found


def shaped(where: str, name: str, value: object, parse: Callable[[str], object]) -> str:
    """Return a text that `parse` must be able to read; none is empty."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    try:
        parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {name} {error}, not {value!r}") from None
    return text


def need_slug(slug: object, where: str) -> None:
    """Return if a slug can be used in URLs and as a folder's name."""
    fits = isinstance(slug, str) and SLUG.match(slug)
    need(fits, where, "the slug must be lower-case letters, digits, - or _")


def need_mapping(value: object, where: str, problem: str) -> None:
    """Return if a value is a dict, or not given."""
    need(value is None or isinstance(value, Mapping), where, problem)


def need(condition: object, where: str, problem: str) -> None:
    """Raise what is wrong with a declaration unless the condition holds."""
    if not condition:
        raise ConfigurationError(f"{where}: {problem}")
