"""From a setting to an adapter: one instance per provider, made when first used and kept by the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module

from ..exceptions import ConfigurationError
from .base import Adapter

#: What a packaged adapter needs, as its extra in pyproject.toml names it.
PACKAGES = {
    "fcm": ("pyfcm>=2.1,<3", "httptools>=0.6.4"),
    "apns": ("h2>=4.2,<5",),
    "twilio": ("twilio>=9.6,<10",),
    "vonage": ("httptools>=0.6.4",),
    "anymail": ("django-anymail>=13",),
}

_lock = threading.RLock()
_adapters: dict[str, Adapter] = {}
Dressed = Callable[[type[Adapter]], type[Adapter]]
_dressed: Dressed = lambda found: found  # noqa: E731 - exchanged by `dress`


def adapter_for(alias: str, backend: str, options: Mapping[str, object]) -> Adapter:
    """Return the adapter of a provider.

    Raises:
        ConfigurationError: the backend cannot be loaded, or its options cannot work.
    """
    with _lock:
        if alias not in _adapters:
            _adapters[alias] = _dressed(adapter_class(alias, backend))(alias, options)
        return _adapters[alias]


def adapter_class(alias: str, backend: str) -> type[Adapter]:
    """Return the class that a dotted path names.

    Raises:
        ConfigurationError: there is none; the text says what to install or to correct.
    """
    module_name, _, name = backend.rpartition(".")
    try:
        found = getattr(import_module(module_name), name, None) if module_name else None
    except ImportError as error:
        raise ConfigurationError(_import_problem(alias, backend, module_name, error)) from error
    if not isinstance(found, type) or not issubclass(found, Adapter):
        raise ConfigurationError(f"Provider {alias!r}: BACKEND {backend!r} is not an adapter.")
    return found


def reset() -> None:
    """Close and forget every adapter: for tests, and when settings change."""
    with _lock:
        adapters = list(_adapters.values())
        _adapters.clear()
    for adapter in adapters:
        adapter.close()


def dress(made: Dressed | None) -> None:
    """Make adapters of what this makes of their classes, from now on; None: of the classes themselves.

    For `notifications.testing`, whose adapters are the real ones but for the wire.
    """
    global _dressed  # noqa: PLW0603 - one for the process, as the adapters are
    reset()
    _dressed = made or (lambda found: found)


def _import_problem(alias: str, backend: str, module_name: str, error: ImportError) -> str:
    package, _, leaf = module_name.rpartition(".")
    if package == "notifications.providers" and leaf in PACKAGES and not str(error.name or "").startswith(module_name):
        return (
            f"Provider {alias!r}: {backend!r} needs the package {error.name!r}. "
            f"pip install {' '.join(repr(item) for item in PACKAGES[leaf])}"
        )
    return f"Provider {alias!r}: BACKEND {backend!r} cannot be imported: {error}"
