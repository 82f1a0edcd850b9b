"""Checks for `manage.py check --deploy`: what is fine on a developer's machine and a mistake where real people are."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.checks import CheckMessage

from ..enums import Channel
from . import lines
from .base import usable, warning


def check_guest_list(**_: object) -> list[CheckMessage]:
    """W060: nobody said whether this installation may write to everybody."""
    settings = usable()
    if settings is None or settings.only_to_declared:
        return []
    what = 'NOTIFICATIONS["ONLY_TO"] is not set, so everybody is written to. If that is meant, set it to None.'
    return [warning(60, what, lines.ONLY_TO)]


def check_countries(**_: object) -> list[CheckMessage]:
    """W063: nobody said to which countries this installation may send SMS."""
    settings = usable()
    if settings is None or not settings.routes.get(Channel.SMS) or "sms_countries" in settings.abuse.declared:
        return []
    what = (
        'NOTIFICATIONS["ABUSE"] does not say to which countries SMS may be sent: pumping costs most where it is dear.'
    )
    return [warning(63, what, lines.SMS_COUNTRIES)]


def check_far_ends(**_: object) -> list[CheckMessage]:
    """W061, W062: a provider that is really this machine, and a public URL that nobody can reach in safety."""
    settings = usable()
    if settings is None:
        return []
    messages = []
    for alias, provider in settings.providers.items():
        url = str(provider.options.get("base_url") or "")
        if url and is_local(url):
            what = f"Provider {alias!r} sends to {url}, which is a sandbox or this machine: nobody will get anything."
            messages.append(warning(61, what, f'remove "base_url" from the OPTIONS of {alias!r}'))
    if settings.public_url and (not settings.public_url.startswith("https://") or is_local(settings.public_url)):
        what = f'NOTIFICATIONS["PUBLIC_URL"] is {settings.public_url}: providers and people need https from outside.'
        messages.append(warning(62, what, '"PUBLIC_URL": "https://example.com",'))
    return messages


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine, or to something that calls itself a sandbox."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost") or "sandbox" in host
