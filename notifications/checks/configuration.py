"""Checks of `settings.NOTIFICATIONS`: its shape, its providers and what their adapters say of the options."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.core.checks import CheckMessage

from .. import conf
from ..exceptions import ConfigurationError
from ..providers.base import Adapter, OptionProblem
from ..providers.registry import adapter_class
from . import lines
from .base import error, usable, warning
from .shape import deeper_problems

#: A key is stretched hardly at all, so it must be random itself: 32 hexadecimal digits hold 128 bits.
KEY_LENGTH = 32
KEY_LETTERS = 8


def check_shape(**_: object) -> list[CheckMessage]:
    """E002: whatever is wrong with the setting before anything is loaded."""
    messages = [error(2, f"{item.where} {item.what}.", _cure(item)) for item in conf.find_problems()]
    if not messages:
        messages = [error(2, f"{item.where} {item.what}.", item.hint) for item in deeper_problems(conf.raw())]
    return messages


def check_keys(**_: object) -> list[CheckMessage]:
    """E003: a newest encryption key that could be guessed; older ones stay as they are, for what was made with them."""
    settings = usable()
    newest = settings.encryption_keys[0] if settings and settings.encryption_keys else None
    if newest is None or (len(newest) >= KEY_LENGTH and len(set(newest)) >= KEY_LETTERS):
        return []
    what = (
        f'NOTIFICATIONS["ENCRYPTION_KEYS"][0] is too easily guessed: {KEY_LENGTH} random characters are the least; '
        f"it has {len(newest)}, {len(set(newest))} of them different."
    )
    return [error(3, what, lines.ENCRYPTION_KEY)]


def check_routes(**_: object) -> list[CheckMessage]:
    """E006, W004: a route to an adapter of another channel; nothing routed at all."""
    settings = usable()
    if settings is None:
        return []
    adapters = loadable(settings)
    if not any(settings.routes.values()):
        what = 'NOTIFICATIONS["ROUTES"] names no provider, so nothing can be sent.'
        return [warning(4, what, lines.routes(adapters))]
    return [
        error(
            6,
            f'NOTIFICATIONS["ROUTES"]["{channel}"] names {entry.provider!r}, which sends {serves}, not {channel}.',
            lines.routes(adapters),
        )
        for channel, entries in settings.routes.items()
        for entry in entries
        if entry.provider in adapters and (serves := adapters[entry.provider].channel) != channel
    ]


def check_adapters(**_: object) -> list[CheckMessage]:
    """E007, E008, W009: an adapter that cannot be loaded, an option that cannot work, a webhook without a secret."""
    settings = usable()
    messages = []
    for alias, provider in settings.providers.items() if settings else ():
        where = f'NOTIFICATIONS["PROVIDERS"]["{alias}"]'
        try:
            adapter = adapter_class(alias, provider.backend)
        except ConfigurationError as problem:
            messages.append(error(7, f"{where}: {_without_cure(alias, problem)}", _import_cure(alias, problem)))
            continue
        for found in _option_problems(alias, adapter, provider.options):
            # Sending works without the secret; only what the provider reports back is refused.
            says = warning if found.what.startswith("webhook_secret is not set") else error
            what = f'{where}["OPTIONS"]: {found.what}.'
            messages.append(says(9 if says is warning else 8, what, _option_cure(alias, adapter, provider, found)))
    return messages


def loadable(settings: conf.Settings) -> dict[str, type[Adapter]]:
    """Return the adapter class of every provider that has one."""
    found = {}
    for alias, provider in settings.providers.items():
        try:
            found[alias] = adapter_class(alias, provider.backend)
        except ConfigurationError:
            continue
    return found


def _option_problems(alias: str, adapter: type[Adapter], options: Mapping[str, object]) -> list[OptionProblem]:
    problems = adapter.option_problems(options)
    if problems:
        return problems
    made = None
    try:
        made = adapter(alias, options)
        return made.check()
    except ConfigurationError as problem:
        return [OptionProblem(str(problem).rstrip("."), "correct the option")]
    finally:
        if made is not None:
            made.close()


def _option_cure(alias: str, adapter: type[Adapter], provider: conf.Provider, problem: OptionProblem) -> str:
    """Return the line that sets what is missing, else the adapter's own hint."""
    if problem.hint.startswith("did you mean"):
        return problem.hint
    unset = [item.name for item in adapter.options_declared() if provider.options.get(item.name) in (None, "")]
    if "cannot use esp" in problem.what and "esp_options" in unset:
        return lines.option(alias, "esp_options")
    named = [name for name in unset if re.search(rf"\b{name}\b", problem.what)]
    return lines.option(alias, named[0]) if named else problem.hint


def _cure(item: conf.SettingProblem) -> str:
    """Return the line that adds what the settings lack, else their own hint."""
    alias = re.search(r"names provider '(.+?)'", item.what)
    if alias and not item.hint.startswith("did you mean"):
        return lines.provider(alias[1])
    alias = re.search(r"\['(.+?)'\]$", item.where)
    return lines.backend(alias[1]) if alias and "BACKEND" in item.what else item.hint


def _import_cure(alias: str, problem: ConfigurationError) -> str:
    _, found, packages = str(problem).partition("pip install ")
    return f"pip install {packages}" if found else lines.backend(alias)


def _without_cure(alias: str, problem: ConfigurationError) -> str:
    return str(problem).partition(" pip install ")[0].removeprefix(f"Provider {alias!r}: ")
