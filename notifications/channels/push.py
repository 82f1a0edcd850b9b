"""Push: a device token, a title and a body, perhaps an image, a link and data for the app."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping

from ..enums import Channel
from ..messages import Content
from ..rules.email_safety import is_safe_link
from ..rules.push_payload import fit_body
from ..rules.rendering import one_line, plain
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


def write(parts: Mapping[str, str]) -> dict[str, str]:
    """Return `push.toml` as `read` takes it."""
    known = [part.name for part in PUSH.parts]
    lines = [f"{name} = {_toml(parts[name])}" for name in known if name in parts]
    data = {name.removeprefix(_DATA): text for name, text in parts.items() if name.startswith(_DATA)}
    lines += ["", "[data]", *(f"{_toml(key)} = {_toml(text)}" for key, text in data.items())] if data else []
    return {"push.toml": "\n".join(lines) + "\n"} if lines else {}


def content(parts: Mapping[str, str]) -> Content:
    """Return the message, its body shortened if the whole is larger than providers take.

    A link that would run something is left out: a message is worth more than a link that somebody smuggled in.

    Raises:
        ValueError: it is too large even without its body.
    """
    texts = {name: plain(text) for name, text in parts.items()}
    title, image, url = one_line(texts["title"]), _link(texts.get("image", "")), _link(texts.get("url", ""))
    data = {name.removeprefix(_DATA): text for name, text in texts.items() if name.startswith(_DATA)}
    body = fit_body(title, texts["body"].strip(), image, url, data)
    return Content(title=title, body=body, image=image, url=url, data=data)


def _link(text: str) -> str:
    url = text.strip()
    return url if is_safe_link(url) else ""


def _toml(text: str) -> str:
    """Return a basic string of TOML, which JSON's is but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


PUSH = ChannelSpec(
    channel=Channel.PUSH,
    parts=(Part("title", required=True), Part("body", required=True), Part("image"), Part("url")),
    files=("push.toml",),
    normalise=normalise,
    mask=mask,
    read=read,
    content=content,
    write=write,
)
