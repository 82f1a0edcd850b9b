"""Words become text in a sandboxed engine: no loaders, no `load`, `include` or `extends`, and never a silent blank."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from django.template import Template
from django.template.exceptions import TemplateSyntaxError
from django.utils import timezone, translation

from .template_engine import LARGEST, BoundedContext, RenderError, SandboxedEngine

__all__ = ["LARGEST", "RenderError", "compile_part", "one_line", "render_part"]

_ENGINES = {escape: SandboxedEngine(escape=escape) for escape in (True, False)}


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
        RenderError: a variable is missing, or rendering failed, took more than 10,000 steps or grew beyond 256 KiB.
    """
    with translation.override(locale), timezone.override(zone):
        try:
            return str(part.render(BoundedContext(dict(data), autoescape=part.engine.autoescape)))
        except RenderError:
            raise
        except Exception as error:  # noqa: BLE001 - words may fail in any way, and none of them may break a batch
            # The error's own text may quote a value, so only its kind is kept.
            raise RenderError(f"rendering failed with {type(error).__name__}") from None


def one_line(text: str) -> str:
    """Return a header-safe single line."""
    return " ".join(text.split())
