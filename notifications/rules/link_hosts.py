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
# Endings of files: no domain has one, so that a relative path (`img/logo.png?v=2`) leads to no host.
_FILES = "css|csv|docx?|gif|html?|ics|jpe?g|js|json|pdf|php|png|svg|txt|webp|xlsx?|xml"
_LABEL = r"[^\W_]+(?:[-_]+[^\W_]+)*"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
# Browsers leave tabs and ends of lines out of an address.
_GAP = r"[\t\r\n]*"
_SCHEME = rf"(?:{_GAP.join('http')}(?:{_GAP}s)?|{_GAP.join('ftp')}){_GAP}:"
# Marks, arrows and pictures of every language: some phones end a link there.
_SYMBOLS = "«»\u2000-\u2bff\u3000-\u303f\ufeff\uff01-\uff0f\uff1a-\uff20\U0001f000-\U0001faff"
# What belongs to a link, up to where the next begins: neither what ends a link, nor another scheme.
_REST = rf"(?:(?!{_SCHEME}[/\\])[^\s<>\"'`()\[\]{{}}|^\\{_SYMBOLS}])*"
_WITH_SCHEME = re.compile(
    # However it is written, and whatever stands before it; or as browsers read an address that begins with slashes.
    rf"(?:{_SCHEME}(?:[/\\]+|(?=[\w%@\[]))|(?:^|(?<=[\s\"'(<=]))[/\\]{{2,}}+(?=[^\s<>\"'`)\]}}]))"
    rf"([^\s/\\?#<>\"]*){_REST}",
    re.IGNORECASE,
)
# A name; not the end of a mailbox (which is read over as a whole), and not the host of an app's own scheme.
_PLAIN = re.compile(rf"@{_NAME}|(?<![^\W_])(?<!://)({_NAME})")
_PATH = re.compile(rf"(?::\d+\b)?(?:[/?#]{_REST})?", re.IGNORECASE)
# Behind a name that is the first part of a mailbox.
_DOMAIN = re.compile(rf"@{_LABEL}\.\w")
_LEADS_ON = re.compile(r"[/?#:]\S")
_BEFORE_PATH = re.compile(
    rf".+\.(?!(?:{_FILES})$)(?:[^\W\d_]{{2,}}|xn--[\w-]+)|\d{{1,3}}(?:\.\d{{1,3}}){{3}}", re.IGNORECASE
)
_BARE = re.compile(rf"www\..+|.+\.(?:{_ENDINGS})(?:\.[a-z]{{2}})?(?=\.|$)", re.IGNORECASE)
# What browsers end an address with, whatever a text would be.
_FOLLOWED = re.compile(r"(?:(?:https?|ftp):[/\\]*|[/\\]{2,})([^/\\?#]*)", re.IGNORECASE)
_STRIPPED = str.maketrans(dict.fromkeys("\t\r\n"))
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61\u2024", "."))
# Format characters and marks: a reader hardly sees them, and the patterns above take them for the end of a name.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\U000e0000-\U000e01ef{}]".format(
        "".join(found for found in map(chr, range(0x10000)) if unicodedata.category(found) in {"Cf", "Mn", "Mc"})
    )
)
# A host with its port, and what closes a sentence, a quote or a bracket behind it.
_AUTHORITY = re.compile(rf"({_NAME})\.?(?::\d*)?(?:[^\w@%]|_)*")
# The longest name that has an address.
_LONGEST = 253
_LINK_NAMES = frozenset({"href", "src", "action", "background", "poster", "srcset"})
_UNSHOWN = frozenset({"style", "script", "title", "head"})


def hosts_in(text: str) -> Iterator[str]:
    """Yield the host of every link in a plain text, in lower case.

    It is read as it stands, and once more with every letter and dot as browsers read it: a name may end elsewhere then.
    """
    read = _UNSEEN.sub("", unicodedata.normalize("NFKC", text).translate(_DOTS))
    for reading in dict.fromkeys((text, read)):
        yield from (_host_of(found[1]) for found in _WITH_SCHEME.finditer(reading))
        yield from _plain_hosts(_WITH_SCHEME.sub(" ", reading))


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
    links = [link for link in (content.url, content.image) if link]
    texts = [content.text, content.subject, content.title, content.body, *content.data.values()]
    if content.html:
        seen = _Shown()
        seen.feed(content.html)
        seen.close()
        links += seen.links
        texts += seen.texts
    for link in links:
        yield from _followed_host(link)
    for text in (*links, *texts):
        yield from hosts_in(text)


def _plain_hosts(text: str) -> Iterator[str]:
    """Yield the hosts that phones make links to though no scheme says so; what follows a host is read over."""
    end = 0
    while found := _PLAIN.search(text, end):
        end = found.end()
        if found[1] and (host := _linked(found[1], text, end)):
            yield _as_compared(host)
            path = _PATH.match(text, end)
            end = path.end() if path else end


def _linked(name: str, text: str, end: int) -> str:
    """Return that part of a name, which ends there in the text, that phones take for a host, or ""."""
    if _DOMAIN.match(text, end):
        return ""
    if _LEADS_ON.match(text, end) and _BEFORE_PATH.fullmatch(name):
        return name
    found = _BARE.match(name)
    return found[0] if found else ""


def _followed_host(link: str) -> Iterator[str]:
    """Yield the host that a browser opens: it goes on where a text's link would have ended (`https://ours.io)@evil.io`)."""
    if found := _FOLLOWED.match(_UNSEEN.sub("", link.translate(_STRIPPED)).strip()):
        yield _host_of(found[1])


def _host_of(authority: str) -> str:
    """Return the host of what follows a scheme; phones end a host at what is no part of a name, browsers do not."""
    found = _AUTHORITY.fullmatch(authority)
    return _as_compared(found[1]) if found else UNREADABLE


def _as_compared(host: str) -> str:
    return unicodedata.normalize("NFKC", host).lower()


def _is_in(host: str, allowed: Collection[str]) -> bool:
    if len(host) > _LONGEST:
        return False
    while host and host not in allowed:
        _, _, host = host.partition(".")
    return bool(host)


class _Shown(HTMLParser):
    """What of a document is followed, the values of links, and what is read, its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.texts: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.links += [value.strip() for name, value in attrs if name in _LINK_NAMES and value]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in _UNSHOWN:
            self.texts.append(data)
