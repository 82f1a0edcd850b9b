"""Checks of where words lie: in two apps at once, in a folder that is no locale, or outside of every locale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings as django_settings
from django.core.checks import CheckMessage

from ..channels import SPECS
from ..enums import Channel
from ..flows.declare import FOLDER, word_folders, word_roots
from ..rules.email_style import CAN_INLINE
from ..rules.email_text import CAN_LAY_OUT
from ..rules.locales import usable_locale
from .base import error, routed_channels, warning


def check_places(**_: object) -> list[CheckMessage]:
    """E044, W055, W056: folders that are no language tag, words that another app's hide, files that nobody reads."""
    return [*_foreign_folders(), *_hidden_words(), *_stray_files()]


def check_email_extra(**_: object) -> list[CheckMessage]:
    """W057: emails go out, but nothing is there to write their styles into elements and to lay out their text."""
    if Channel.EMAIL not in routed_channels() or (CAN_INLINE and CAN_LAY_OUT):
        return []
    what = "Emails go out with their styles in a style sheet, which many clients do not read, and with plainer text."
    return [warning(57, what, "pip install 'django-carillon[email]' (css-inline and inscriptis)")]


def _foreign_folders() -> Iterator[CheckMessage]:
    for _, locale, folder in word_folders():
        if not usable_locale(locale):
            what = f"{folder}: {locale!r} is no language tag, so that nobody's language ever asks for these words."
            yield error(44, what, f'name the folder as languages are in LANGUAGES, such as "{_own_locale()}"')


def _hidden_words() -> Iterator[CheckMessage]:
    first: dict[tuple[str, str, Channel], Path] = {}
    for slug, locale, folder in word_folders():
        for channel, spec in SPECS.items():
            if not any((folder / name).is_file() for name in spec.files):
                continue
            winner = first.setdefault((slug, locale, channel), folder)
            if winner != folder:
                what = f"{winner} hides the words for {channel} in {folder}."
                hint = "the app that comes first in INSTALLED_APPS wins; if that is not meant, rename or remove one"
                yield warning(55, what, hint)


def _stray_files() -> Iterator[CheckMessage]:
    for root in word_roots():
        for file in sorted([*root.glob("*"), *root.glob("*/*")]):
            if file.is_file() and not file.name.startswith("."):
                slug = file.parent.name if file.parent != root else "<slug>"
                what = f"{file} lies outside a locale folder, so that nobody reads it."
                yield warning(56, what, f"move it to {FOLDER}/{slug}/{_own_locale()}/{file.name}")


def _own_locale() -> str:
    return django_settings.LANGUAGE_CODE.partition("-")[0]
