"""Filters: what all those have in common that choose deliveries for a run; what is wrong is told by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from ..enums import Channel

#: The most that one run acts on, and that is counted; whatever is left can be chosen again.
MOST_AT_ONCE = 100_000


class BadFilter(ValueError):
    """A filter that cannot be meant; `errors` says by field what is wrong and what to write."""

    def __init__(self, errors: dict[str, str]) -> None:
        """Keep what is wrong, by field."""
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors


def read_fields(
    given: Mapping[str, str], read: Callable[[str, str], object]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return what `read(name, text)` makes of each field, and what it said (as a ValueError) of those it cannot."""
    found: dict[str, object] = {}
    errors: dict[str, str] = {}
    for name, text in given.items():
        try:
            found[name] = read(name, text)
        except ValueError as error:
            errors[name] = str(error)
    return found, errors


def read_channel(text: str) -> Channel:
    """Return a channel by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if text not in Channel.values:
        raise ValueError(f"is no channel; one of {', '.join(Channel.values)}")
    return Channel(text)


def read_id(text: str) -> UUID:
    """Return an id of a notification or broadcast.

    Raises:
        ValueError: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("is no id; copy that of a notification or broadcast from its page") from None
