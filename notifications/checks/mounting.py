"""Checks of URLs: that ours are mounted where `PUBLIC_URL` says, and that django-rq's pages are not exposed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage
from django.urls import URLPattern, URLResolver, get_resolver

from ..providers.base import Adapter
from . import lines
from .base import error, usable, warning
from .configuration import loadable

URLS = "notifications.urls"


def check_mounted(**_: object) -> list[CheckMessage]:
    """E030: neither API, webhooks nor unsubscribe links can be reached."""
    if not getattr(settings, "ROOT_URLCONF", None) or mount() is not None:
        return []
    what = f'{settings.ROOT_URLCONF} does not include "{URLS}": API, webhooks and links cannot be reached.'
    return [error(30, what, lines.urls())]


def check_public_url(**_: object) -> list[CheckMessage]:
    """E031, W032: no public URL though a provider reports to it, or one that does not lead to our URLs."""
    found = usable()
    if found is None:
        return []
    prefix = mount()
    if not found.public_url:
        adapters = loadable(found)
        routed = {entry.provider for entries in found.routes.values() for entry in entries}
        reporting = sorted(alias for alias in routed if alias in adapters and reports(adapters[alias]))
        if not reporting:
            return []
        what = (
            f'NOTIFICATIONS["PUBLIC_URL"] is not set, so {", ".join(reporting)} cannot report what became of messages.'
        )
        return [error(31, what, lines.public_url(prefix))]
    path = urlsplit(found.public_url).path.strip("/")
    if prefix is None or prefix.strip("/") == path:
        return []
    what = f'NOTIFICATIONS["PUBLIC_URL"] has the path "/{path}", but "{URLS}" is mounted at "/{prefix}".'
    return [warning(32, what, lines.public_url(prefix))]


def check_rq_pages(**_: object) -> list[CheckMessage]:
    """W033: django-rq's pages let any staff user, without a permission, empty the queues."""
    names = {str(pattern.name or "") for _, pattern in _patterns() if _is_rq(pattern)}
    if not names:
        return []
    in_admin = any(name.startswith("django_rq_") for name in names)
    what = "django-rq's pages are reachable: any staff user, without a permission, can empty the queues."
    hint = lines.RQ_PAGES if in_admin else f'remove include("django_rq.urls") from {settings.ROOT_URLCONF}'
    return [warning(33, what, hint)]


def reports(adapter: type[Adapter]) -> bool:
    """Whether an adapter takes callbacks."""
    return adapter.parse is not Adapter.parse


def mount() -> str | None:
    """Return the path that our URLs are mounted under, or None if they are not."""
    return next((prefix for prefix, item in _resolvers() if _module_name(item) == URLS), None)


def _resolvers() -> Iterator[tuple[str, URLResolver]]:
    return ((prefix, item) for prefix, item in _walk("", get_resolver()) if isinstance(item, URLResolver))


def _patterns() -> Iterator[tuple[str, URLPattern]]:
    return ((prefix, item) for prefix, item in _walk("", get_resolver()) if isinstance(item, URLPattern))


def _walk(prefix: str, resolver: URLResolver) -> Iterator[tuple[str, URLResolver | URLPattern]]:
    for item in resolver.url_patterns:
        if isinstance(item, URLResolver):
            below = prefix + str(item.pattern)
            yield below, item
            if _module_name(item) != URLS:
                yield from _walk(below, item)
        elif isinstance(item, URLPattern):
            yield prefix + str(item.pattern), item


def _module_name(resolver: URLResolver) -> str:
    named = resolver.urlconf_name
    return named if isinstance(named, str) else getattr(named, "__name__", "")


def _is_rq(pattern: URLPattern) -> bool:
    return getattr(pattern.callback, "__module__", "").startswith("django_rq.")
