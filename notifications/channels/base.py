"""What every channel says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..enums import Channel
from ..messages import Content


@dataclass(frozen=True)
class Part:
    """One part of a message: its name in the ORM, whether values are HTML-escaped, whether it must be there."""

    name: str
    escape: bool = False
    required: bool = False


@dataclass(frozen=True)
class ChannelSpec:
    """A channel: its parts, the files they come from, and its addresses.

    `normalise` raises ValueError with a sentence for people; `read` turns files by suffix into parts, and `write` parts
    into files. `prepare` does once per version and language what need not be done for each recipient; the parts that it
    makes are `made`. `content` raises ValueError if the whole is more than the channel carries.
    """

    channel: Channel
    parts: tuple[Part, ...]
    files: tuple[str, ...]
    normalise: Callable[[str], str]
    mask: Callable[[str], str]
    read: Callable[[Mapping[str, str]], dict[str, str]]
    content: Callable[[Mapping[str, str]], Content]
    write: Callable[[Mapping[str, str]], dict[str, str]]
    prepare: Callable[[Mapping[str, str], str], dict[str, str]] = lambda parts, _locale: dict(parts)
    made: tuple[Part, ...] = ()

    @property
    def escaped(self) -> frozenset[str]:
        """Names of the parts in which values are HTML-escaped."""
        return frozenset(part.name for part in (*self.parts, *self.made) if part.escape)

    @property
    def required(self) -> list[str]:
        """Names of the parts without which there is no message."""
        return [part.name for part in self.parts if part.required]
