"""Reads `<app>/notifications.py` of every app, and says of one that cannot be read which line it is and what to do."""

from __future__ import annotations

import re
import traceback
from importlib import import_module
from pathlib import Path

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from .. import __all__ as public
from ..conf import did_you_mean
from ..exceptions import ConfigurationError
from .registry import Place, registry

_NAME = "notifications"
_NO_SUCH_NAME = re.compile(r"cannot import name '(\w+)' from 'notifications'")


def discover() -> None:
    """Import the declarations of every installed app.

    Raises:
        ConfigurationError: one cannot be imported; while problems are collected, they are kept, and the rest is read.
    """
    for app in apps.get_app_configs():
        if module_has_submodule(app.module, _NAME):
            _read(app)


def _read(app: AppConfig) -> None:
    module = f"{app.name}.{_NAME}"
    try:
        import_module(module)
    except ConfigurationError:
        raise  # a declaration's own: it says where it stands
    except Exception as error:
        text = f"{_place(module, app, error)}: {type(error).__name__}: {_said(error)}{_cure(error)}"
        if not registry.collecting:
            raise ConfigurationError(text) from error
        registry.problems.append(text)


def _place(module: str, app: AppConfig, error: Exception) -> str:
    """Return the line of the file that failed, and where it was raised if that is in another file."""
    file = str(Path(app.path) / f"{_NAME}.py")
    if isinstance(error, SyntaxError) and error.filename:
        return str(Place(module, error.filename, error.lineno or 0))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    if not own:
        return file
    here = Place(module, file, own[-1].lineno or 0)
    beyond = [frame for frame in frames[frames.index(own[-1]) + 1 :] if not frame.filename.startswith("<frozen")]
    return f"{here} (raised in {Place(module, beyond[-1].filename, beyond[-1].lineno or 0)})" if beyond else str(here)


def _said(error: Exception) -> str:
    """Return the first line of what it says, without the path of an installed package."""
    return re.sub(r" \(/[^)]*\)$", "", (str(error).strip().splitlines() or ["no more is said"])[0])


def _cure(error: Exception) -> str:
    """Return what to do, where the error alone tells."""
    if isinstance(error, ModuleNotFoundError):
        return f"; install what has {error.name}, or correct the import"
    found = _NO_SUCH_NAME.search(str(error))
    return f"; {did_you_mean(found[1], tuple(public))}" if found else ""
