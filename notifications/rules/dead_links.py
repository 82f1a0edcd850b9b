"""Dead links: what in a message leads nowhere, as far as can be told without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlsplit

from ..messages import Content

_IN_TEXT = re.compile(r"https?://[^\s<>\"']*")
_NONE = re.compile(r"(?:^|[/=?&])(?:None|null|undefined)(?=$|[/?&#])")
_LINKS = frozenset({"href", "src"})
_WEB = ("http", "https")
_LONGEST = 24
_CLOSING = ".,;:!?)]}"


def links_in(content: Content) -> Iterator[str]:
    """Yield every link of a rendered message."""
    yield from (link for link in (content.url, content.image) if link)
    for text in (content.text, content.body):
        yield from (link.rstrip(_CLOSING) for link in _IN_TEXT.findall(text))
    if content.html:
        found = _Links()
        found.feed(content.html)
        found.close()
        yield from found.links


def fault_of(link: str, public_url: str, is_ours: Callable[[str], bool]) -> str:
    """Return why a link leads nowhere, or "": it is empty, relative, made of a missing value, or of no page of ours.

    `is_ours` says of a path under `public_url` whether there is a page; other hosts are never asked.
    """
    text = link.strip()
    if text in ("", "#"):
        return "empty"
    parts = _parts(text)
    if parts is None:
        return "unreadable"
    if _NONE.search(parts.path) or _NONE.search(f"?{parts.query}"):
        return "a value is missing"
    if not parts.scheme:
        # A mark within the same email is no relative address.
        return "" if text.startswith("#") else "relative"
    if parts.scheme in _WEB and not parts.hostname:
        return "without a host"
    own = _parts(public_url) if public_url else None
    under = own is not None and parts.netloc == own.netloc and f"{parts.path}/".startswith(f"{own.path}/")
    return "no such page" if under and not is_ours(parts.path or "/") else ""


def shown(link: str) -> str:
    """Return a link as it may be shown: without its query, and without what may name or number somebody."""
    parts = _parts(link.strip())
    if parts is None:
        return "…"
    path = "/".join(part if part in ("", ".", "..") or _is_plain(part) else "…" for part in parts.path.split("/"))
    host = f"//{parts.hostname}" if parts.hostname else ""
    return f"{parts.scheme}:{host}{path}" if parts.scheme else f"{host}{path}"


def _is_plain(part: str) -> bool:
    return len(part) <= _LONGEST and part.replace("-", "").isalpha()


def _parts(link: str) -> SplitResult | None:
    try:
        found = urlsplit(link)
        _ = found.hostname
    except ValueError:
        return None
    return found


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in _LINKS]

    handle_startendtag = handle_starttag
