"""What can be wrong inside `settings.NOTIFICATIONS` once its outer shape is right."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from .. import conf
from ..enums import Platform
from . import lines

_ALIAS = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
_NUMBER = re.compile(r"^\+[1-9][0-9]{6,14}$")
_DOMAIN = re.compile(r"^([^\W_]([\w-]*[^\W_])?\.)+(?![0-9]+$)[^\W_]([\w-]*[^\W_])?$")
_TOKEN = re.compile(r"^[\w:.=+/-]{64,}$")  # of a device: push has no other address
_LOCAL = re.compile(r"^([^@\s]*@)?[^@\s]+$")


def deeper_problems(value: Mapping[str, object]) -> Iterator[conf.SettingProblem]:
    """Yield what is wrong with aliases, route entries, field paths, keys and the guest list."""
    providers, routes = value.get("PROVIDERS", {}), value.get("ROUTES", {})
    for alias in providers if isinstance(providers, Mapping) else ():
        if not isinstance(alias, str) or not _ALIAS.match(alias):
            where, hint = 'NOTIFICATIONS["PROVIDERS"]', "name it with lower-case letters, digits, - and _, as in URLs"
            yield conf.SettingProblem(where, f"has the alias {alias!r}, which no webhook's URL can carry", hint)
    for channel, entries in routes.items() if isinstance(routes, Mapping) else ():
        where = f'NOTIFICATIONS["ROUTES"]["{channel}"]'
        for entry in entries:
            yield from _entry_problems(where, entry) if isinstance(entry, Mapping) else ()
    recipient = value.get("RECIPIENT", {})
    for name, path in recipient.items() if isinstance(recipient, Mapping) else ():
        if not isinstance(path, str) or not path:
            where, hint = f'NOTIFICATIONS["RECIPIENT"]["{name}"]', f'"{name}": "profile__{name}"'
            yield conf.SettingProblem(where, "is not a field path", hint)
    for name, example in (("ENCRYPTION_KEYS", '[os.environ["NEWEST_KEY"]]'), ("ONLY_TO", '["example.com"]')):
        items = value.get(name)
        if items is not None and _texts(items) is None:
            hint = f'"{name}": {example},'
            yield conf.SettingProblem(f'NOTIFICATIONS["{name}"]', "is not a list of texts", hint)
    yield from _guest_problems(_texts(value.get("ONLY_TO")) or ())


def _guest_problems(guests: Iterable[object]) -> Iterator[conf.SettingProblem]:
    for guest in guests:
        text = str(guest)
        mail = _LOCAL.match(text) and _DOMAIN.match(text.rpartition("@")[2])
        if not (mail or _NUMBER.match(text) or _TOKEN.match(text)):
            what = f"has {guest!r}, which is neither an address, nor a domain, nor a number with + and country code"
            yield conf.SettingProblem('NOTIFICATIONS["ONLY_TO"]', what, lines.ONLY_TO)


def _entry_problems(where: str, entry: Mapping[str, object]) -> Iterator[conf.SettingProblem]:
    for name, example, known in (("countries", '["49"]', ()), ("platforms", '["ios"]', tuple(Platform.values))):
        items = _texts(entry.get(name, ()))
        if items is None:
            yield conf.SettingProblem(f'{where}["{name}"]', "is not a list of texts", f'"{name}": {example}')
            continue
        for item in items:
            if known and item not in known:
                hint = conf.did_you_mean(item, known)
                yield conf.SettingProblem(f'{where}["{name}"]', f"has the unknown platform {item!r}", hint)
            if not known and not item.isdigit():
                what = f"has {item!r}, which is no country calling code"
                yield conf.SettingProblem(f'{where}["{name}"]', what, '"countries": ["49"]')


def _texts(value: object) -> list[str] | None:
    """Return a list of texts as one, or None if it is none; one text alone is a mistake, not a list of letters."""
    if isinstance(value, str | bytes) or not isinstance(value, Collection):
        return None
    return list(value) if all(isinstance(item, str) and item for item in value) else None
