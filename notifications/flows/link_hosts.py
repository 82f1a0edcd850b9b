"""Link hosts: where messages of this installation may link to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from .. import conf
from ..messages import Content
from ..rules.link_hosts import foreign, hosts_in, hosts_of

_OWN = ("unsubscribe_url", "preferences_url")


def link_hosts() -> frozenset[str] | None:
    """Return the hosts that may be linked to, this installation's own among them, or None: all of them."""
    settings = conf.get()
    return None if settings.abuse.link_hosts is None else _with_own(settings.abuse.link_hosts, settings.public_url)


def leads_elsewhere(content: Content, data: Mapping[str, object]) -> bool:
    """Whether a rendered message links to a host that is not allowed; its own signed links may lead anywhere."""
    allowed = link_hosts()
    if allowed is None:
        return False
    own = {host for name in _OWN for host in hosts_in(str(data.get(name, "")))}
    return bool(foreign(hosts_of(content), allowed | own))


def strange_hosts(part: str, text: str, data: Mapping[str, object]) -> list[str]:
    """Return the hosts that a rendered part of words links to and that are not allowed; for who wrote the words."""
    allowed = link_hosts()
    if allowed is None:
        return []
    own = {host for name in _OWN for host in hosts_in(str(data.get(name, "")))}
    found = hosts_of(Content(html=text)) if part == "html" else hosts_in(text)
    return foreign(found, allowed | own)


@lru_cache(maxsize=8)
def _with_own(hosts: frozenset[str], public_url: str) -> frozenset[str]:
    own = urlsplit(public_url).hostname if public_url else None
    return hosts | {own} if own else hosts
