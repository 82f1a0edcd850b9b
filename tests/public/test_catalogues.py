"""What recipients read is there in German and Arabic: whole, compiled, with its placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils import translation
from django.utils.translation import templatize

from notifications.enums import Channel, Platform

APP = Path(__file__).resolve().parent.parent.parent / "notifications"
SOURCES = [
    *(APP / "templates" / "carillon" / "public").glob("*.html"),
    *(APP / name for name in ("preference_page.py", "public_pages.py", "unsubscribe.py", "flows/hosted.py")),
]
LANGUAGES = ("de", "ar")
NAMES = {"SMS", "Web"}  # the same in other languages too
IN_WORDS = (0, 1, 2)  # Arabic has forms for none, one and two, which say the number in words
Key = tuple[str | None, str | tuple[str, ...]]


def extracted(path: Path) -> Iterator[Key]:
    """Return the texts that a template or a module marks for translation, with their contexts."""
    source = path.read_text()
    code = templatize(source, origin=path.name) if path.suffix == ".html" else source
    keywords = {"_": None, "gettext": None, "pgettext": ((1, "c"), 2), "ngettext": (1, 2)}
    for _, message, _, context in extract("python", BytesIO(code.encode()), keywords=keywords):
        yield context, message


def wanted() -> set[Key]:
    """Return all that recipients may read."""
    found = {message for path in SOURCES for message in extracted(path)}
    with translation.override("en"):
        return found | {("carillon", str(item.label)) for item in (*Channel, Platform.WEB)}


def catalogue(language: str) -> Catalog:
    """Return a language's catalogue as it is written."""
    with (APP / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def text_of(context: str | bytes | None) -> str | None:
    """Return a context as text; Babel reads it from compiled catalogues as bytes."""
    return context.decode() if isinstance(context, bytes) else context


def ids(message_id: str | tuple[str, ...]) -> str:
    return message_id if isinstance(message_id, str) else message_id[0]


def plain(message: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)\w|%s", text))


def test_the_sources_do_mark_texts() -> None:
    texts = {text for _, text in wanted()}
    assert {"Unsubscribe", "Quiet hours", "This language is not known.", "Push"} <= texts
    assert all(list(extracted(path)) for path in SOURCES if path.name != "base.html" and path.suffix == ".html")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    messages = {(message.context, message.id): message for message in catalogue(language) if message.id}
    assert wanted() <= set(messages), "texts and catalogue differ"
    for (_, key), message in ((key, messages[key]) for key in wanted()):
        assert not message.fuzzy, key
        texts = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(texts), key
        assert key in NAMES or ids(key) not in texts, f"{key} is not translated"


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_the_same(language: str) -> None:
    for message in catalogue(language):
        wanted_ones = placeholders(ids(message.id))
        for form, text in enumerate(plain(message.string)):
            in_words = language == "ar" and not isinstance(message.id, str) and form in IN_WORDS
            if message.id and text:
                assert placeholders(text) <= wanted_ones if in_words else placeholders(text) == wanted_ones, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_all_their_forms(language: str) -> None:
    found = catalogue(language)
    forms = {"de": 2, "ar": 6}[language]
    assert f"nplurals={forms};" in dict(found.mime_headers)["Plural-Forms"]
    for message in found:
        if not isinstance(message.id, str):
            assert len(message.string) == forms, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_of_this_text(language: str) -> None:
    with (APP / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = {(text_of(message.context), ids(message.id)): plain(message.string) for message in read_mo(file)}
    written = {(message.context, ids(message.id)): plain(message.string) for message in catalogue(language)}
    assert {key: text for key, text in compiled.items() if key[1]} == {
        key: text for key, text in written.items() if key[1] and all(text)
    }


def test_german_readers_are_addressed_with_sie() -> None:
    texts = " ".join(str(message.string) for message in catalogue("de") if message.id)
    assert "Sie" in texts
    assert not re.search(r"\b([Dd]u|[Dd]ich|[Dd]ir|[Dd]ein\w*)\b", texts)
