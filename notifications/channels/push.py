"""Push: a device token, a title and a body, perhaps an image, a link and data for the app."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from ..enums import Channel
from ..messages import Content
from .base import ChannelSpec, Part

_LONGEST_TOKEN = 4_096
_DATA = "data."


def normalise(value: str) -> str:
    """Return a token without surrounding space.

    Raises:
        ValueError: it is empty, contains space or is far too long.
    """
    token = value.strip()
    if not token or len(token) > _LONGEST_TOKEN or any(letter.isspace() for letter in token):
        raise ValueError("is not a device token")
    return token


def mask(address: str) -> str:
    """Return the end of a token."""
    return f"…{address[-6:]}" if len(address) > 12 else "…"


def read(files: Mapping[str, str]) -> dict[str, str]:
    """Return the parts in `push.toml`; each value of `data` is a part of its own, named `data.<key>`.

    Raises:
        ValueError: the file is not TOML, or has other keys than title, body, image, url and data.
    """
    if "push.toml" not in files:
        return {}
    try:
        values = tomllib.loads(files["push.toml"])
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"push.toml: {error}") from error
    known = {part.name for part in PUSH.parts} | {"data"}
    unknown = set(values) - known
    if unknown:
        raise ValueError(f"push.toml: unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    parts = {name: str(value) for name, value in values.items() if name != "data"}
    parts |= {f"{_DATA}{key}": str(value) for key, value in values.get("data", {}).items()}
    return parts


def content(parts: Mapping[str, str]) -> Content:
    """Return the message."""
    return Content(
        title=parts["title"].strip(),
        body=parts["body"].strip(),
        image=parts.get("image", "").strip(),
        url=parts.get("url", "").strip(),
        data={name.removeprefix(_DATA): text for name, text in parts.items() if name.startswith(_DATA)},
    )


PUSH = ChannelSpec(
    channel=Channel.PUSH,
    parts=(Part("title", required=True), Part("body", required=True), Part("image"), Part("url")),
    files=("push.toml",),
    normalise=normalise,
    mask=mask,
    read=read,
    content=content,
)
