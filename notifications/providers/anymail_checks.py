"""What is wrong with an ESP's options, in words that say what to change."""

from __future__ import annotations

import difflib
import pkgutil
import re

import anymail.backends
from anymail.exceptions import AnymailConfigurationError, AnymailInvalidAddress
from anymail.utils import parse_address_list

from ..conf import did_you_mean
from .base import OptionProblem, as_mapping

#: The setting that anymail's own text asks for, and the package.
_SETTING = re.compile(r"ANYMAIL = \{'([A-Z0-9_]+)'")
_EXTRA = re.compile(r"django-anymail\[[a-z0-9,_-]+\]")


def is_address(text: str) -> bool:
    """Whether anymail can write a sender or a recipient."""
    try:
        return bool(parse_address_list(text))
    except AnymailInvalidAddress:
        return False


def unusable(esp: str, options: object, error: Exception) -> OptionProblem:
    """Return what anymail misses: an ESP that it knows, or the option that its text names as a setting."""
    what = f"anymail cannot use esp {esp!r} ({type(error).__name__})"
    hint = "see https://anymail.dev/en/stable/esps/ for what it needs, in lower case"
    known = tuple(sorted(item.name for item in pkgutil.iter_modules(anymail.backends.__path__)))
    if isinstance(error, ModuleNotFoundError) and esp not in known:
        close = did_you_mean(esp, known)
        return OptionProblem(what, close if close.startswith("did") else hint)
    extra = _EXTRA.search(str(error))
    if extra is not None:
        return OptionProblem(f"{what}: a package is missing", f"pip install '{extra[0]}'")
    setting = _SETTING.search(str(error)) if isinstance(error, AnymailConfigurationError) else None
    if setting is None:
        return OptionProblem(what, hint)
    name = setting[1].lower().removeprefix(f"{esp}_")
    given = tuple(as_mapping(options))
    close = next(iter(difflib.get_close_matches(name, given, n=1)), "")
    hint = f"did you mean {name!r}, where esp_options has {close!r}?" if close else hint
    return OptionProblem(f"{what}: esp_options lacks {name!r}", hint)
