"""Words become text in a sandboxed engine: no loaders, no `load`, `include` or `extends`, and never a silent blank."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from django.template import Context, Engine, Template
from django.template.exceptions import TemplateSyntaxError
from django.utils import timezone, translation

LARGEST = 256 * 1024


class RenderError(Exception):
    """The words could not be rendered; the text names the part and the variable, never a value."""


class _NeverBlank(str):
    """What the engine prints for a variable it cannot find: nothing, since it raises instead."""

    __slots__ = ()

    def __mod__(self, missing: object) -> str:
        raise RenderError(f"variable {missing} is missing")


class _SandboxedEngine(Engine):
    default_builtins = ["notifications.rules.template_library"]


_ENGINES = {
    escape: _SandboxedEngine(loaders=[], autoescape=escape, string_if_invalid=_NeverBlank("%s"))
    for escape in (True, False)
}


def compile_part(source: str, *, escape: bool) -> Template:
    """Return a compiled part.

    Raises:
        RenderError: the source is not valid in the sandbox; the text says why.
    """
    try:
        return _ENGINES[escape].from_string(source)
    except TemplateSyntaxError as error:
        raise RenderError(str(error)) from error


def render_part(part: Template, data: Mapping[str, object], locale: str, zone: tzinfo | None) -> str:
    """Return a part's text with dates, numbers and translations in the recipient's locale and zone.

    Raises:
        RenderError: a variable is missing, or rendering failed or grew beyond 256 KiB.
    """
    with translation.override(locale), timezone.override(zone):
        try:
            text = str(part.render(Context(dict(data), autoescape=part.engine.autoescape)))
        except RenderError:
            raise
        except Exception as error:
            # The error's own text may quote a value, so only its kind is kept.
            raise RenderError(f"rendering failed with {type(error).__name__}") from error
    if len(text) > LARGEST:
        raise RenderError(f"is larger than {LARGEST // 1024} KiB when rendered")
    return text


def one_line(text: str) -> str:
    """Return a header-safe single line."""
    return " ".join(text.split())
