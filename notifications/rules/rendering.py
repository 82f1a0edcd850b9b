"""Words become text in a sandboxed engine: no loaders, no `load`, `include` or `extends`, and never a silent blank."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from django.template.exceptions import TemplateSyntaxError
from django.utils import timezone, translation

from .plain_words import put_together
from .template_bounds import LARGEST, BoundedContext, RenderError, TooMuch
from .template_engine import BoundedTemplate, SandboxedEngine

__all__ = ["LARGEST", "BoundedTemplate", "RenderError", "TooMuch", "compile_part", "one_line", "plain", "render_part"]

_OVERRIDES = ("\u202d", "\u202e")
_CONTROLS = (number for number in (*range(0x20), *range(0x7F, 0xA0)) if not chr(number).isspace())
_UNSEEN = dict.fromkeys((*_CONTROLS, 0x202A, 0x202B, 0x202C, 0x2066, 0x2067, 0x2068, 0x2069))
_ENGINES = {escape: SandboxedEngine(escape=escape) for escape in (True, False)}


def compile_part(source: str, *, escape: bool) -> BoundedTemplate:
    """Return a compiled part.

    Raises:
        RenderError: the source is not valid in the sandbox; the text says why.
    """
    try:
        return _ENGINES[escape].from_string(source)
    except TemplateSyntaxError as error:
        raise RenderError(str(error)) from error
    except RecursionError:
        raise TooMuch("is nested too deeply") from None


def render_part(part: BoundedTemplate, data: Mapping[str, object], locale: str, zone: tzinfo | None) -> str:
    """Return a part's text with dates, numbers and translations in the recipient's locale and zone.

    Raises:
        RenderError: a variable is missing, or rendering failed, took more than 10,000 steps or grew beyond 256 KiB.
    """
    if part.pieces is not None:
        text = put_together(part.pieces, data, escaped=part.engine.autoescape)
        if text is not None:
            return text
    with translation.override(locale), timezone.override(zone):
        try:
            return str(part.render(BoundedContext(dict(data), autoescape=part.engine.autoescape)))
        except RenderError:
            raise
        except Exception as error:  # noqa: BLE001 - words may fail in any way, and none of them may break a batch
            # The error's own text may quote a value, so only its kind is kept.
            raise RenderError(f"rendering failed with {type(error).__name__}") from None


def one_line(text: str) -> str:
    """Return a header-safe single line, without controls and without marks that turn round the words after them."""
    if not text.isprintable():  # none of what is taken out is
        text = plain(text).translate(_UNSEEN)
    return " ".join(text.split())


def plain(text: str) -> str:
    """Return a text without overrides of direction: with one, a value could spell other words than it is made of."""
    for override in _OVERRIDES:
        if override in text:
            text = text.replace(override, "")
    return text
