"""Links that lead to hosts which an installation did not allow: a value could otherwise turn our words into bait.

Read are links as mail clients and phones make them: also without a scheme, and with the tricks that hide a host.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from html.parser import HTMLParser

from ..messages import Content

#: Stands for a host that cannot be read, or that somebody hid behind a name of ours.
UNREADABLE = "?"
_DEEPEST = 32
# Endings under which phones take a name without a scheme and a path for a link; with a path, any ending does.
_ENDINGS = (
    "app|biz|click|cloud|club|co|com|dev|fun|icu|info|io|link|live|ly|me|net|online|org|page|pro|ru|shop|site|store|tk"
    "|top|vip|website|work|xyz"
)
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_WEB = re.compile(
    # With a scheme, however it is written; or as browsers read an address that begins with slashes.
    r"(?:\b(?:https?|ftp):[/\\]*|(?:^|(?<=[\s\"'(<=]))[/\\]{2,})([^\s<>\"'`)\]}]+)"
    # Or a name with a path, or with an ending that says it all; not a mailbox, and not the end of a longer address.
    rf"|(?<![\w@./\\:-])((?:{_LABEL}\.)+[^\W\d_]{{2,}})(?=[/?#:]\S)"
    rf"|(?<![\w@./\\:-])(www\.(?:{_LABEL}\.)*{_LABEL}|(?:{_LABEL}\.)+(?:{_ENDINGS}))(?![\w@-])",
    re.IGNORECASE,
)
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61\u2024", "."))
_LINK_NAMES = frozenset({"href", "src", "action", "background", "poster", "srcset"})
_UNSHOWN = frozenset({"style", "script", "title", "head"})


def hosts_in(text: str) -> Iterator[str]:
    """Yield the host of every link in a plain text, in lower case."""
    for found in _WEB.finditer(text.translate(_DOTS)):
        yield _host_of(next(part for part in found.groups() if part is not None))


def foreign(hosts: Iterable[str], allowed: Collection[str]) -> list[str]:
    """Return those hosts that are none of the allowed ones and none of their subdomains, in order and once each."""
    return list(dict.fromkeys(host for host in hosts if not _is_in(host, allowed)))


def foreign_in_value(value: object, allowed: Collection[str], depth: int = 0) -> bool:
    """Whether a value that a caller gave has a text with a link elsewhere; names of members count too."""
    if isinstance(value, str):
        return bool(foreign(hosts_in(value), allowed))
    if depth > _DEEPEST:
        return True
    if isinstance(value, Mapping):
        members: Iterable[object] = (*value, *value.values())
    elif isinstance(value, list | tuple):
        members = value
    else:
        return False
    return any(foreign_in_value(item, allowed, depth + 1) for item in members)


def hosts_of(content: Content) -> Iterator[str]:
    """Yield the host of every link of a rendered message."""
    for text in (content.text, content.subject, content.title, content.body, content.url, content.image):
        yield from hosts_in(text)
    for text in content.data.values():
        yield from hosts_in(text)
    if content.html:
        seen = _Shown()
        seen.feed(content.html)
        seen.close()
        for text in seen.texts:
            yield from hosts_in(text)


def _host_of(rest: str) -> str:
    """Return the host of what follows a scheme."""
    authority = re.split(r"[/\\?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return UNREADABLE
    host = unicodedata.normalize("NFKC", authority).casefold()
    host = re.sub(r":\d*$", "", host).rstrip(".,;:!")
    return host if host and "%" not in host else UNREADABLE


def _is_in(host: str, allowed: Collection[str]) -> bool:
    if host in allowed:
        return True
    _, _, parent = host.partition(".")
    return bool(parent) and _is_in(parent, allowed)


class _Shown(HTMLParser):
    """What of a document is followed or read: the values of links, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.texts += [value.strip() for name, value in attrs if name in _LINK_NAMES and value]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in _UNSHOWN:
            self.texts.append(data)
