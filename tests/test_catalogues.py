"""All that people read is there in German and Arabic: whole, compiled, with its placeholders.

After a change of texts: `django-admin makemessages -l de -l ar --no-location --no-obsolete` in notifications/, then
translate, then `django-admin compilemessages`.
"""

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
from django.utils.translation import templatize

APP = Path(__file__).resolve().parent.parent / "notifications"
LANGUAGES = ("de", "ar")
IN_WORDS = (0, 1, 2)  # Arabic has forms for none, one and two, which say the number in words
KEYWORDS = {
    **{name + lazy: None for name in ("gettext", "gettext_noop") for lazy in ("", "_lazy")},
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
    "_": None,
}
Key = tuple[str | None, str]


def extracted(path: Path) -> Iterator[Key]:
    """Return the texts that a template or a module marks for translation, with their contexts."""
    source = path.read_text()
    if path.suffix == ".py":
        code = source if "gettext" in source else ""
    else:
        code = templatize(source, origin=path.name) if "trans" in source else ""
    for _, message, _, context in extract("python", BytesIO(code.encode()), keywords=KEYWORDS):
        yield context, ids(message)


@pytest.fixture(scope="module")
def wanted() -> set[Key]:
    """Return all that people may read, as makemessages finds it."""
    return {key for path in APP.rglob("*") if path.suffix in {".py", ".html", ".txt"} for key in extracted(path)}


def catalogue(language: str) -> Catalog:
    """Return a language's catalogue as it is written."""
    with (APP / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def text_of(context: str | bytes | None) -> str | None:
    """Return a context as text; Babel reads it from compiled catalogues as bytes."""
    return context.decode() if isinstance(context, bytes) else context


def ids(message_id: str | list[str] | tuple[str, ...]) -> str:
    return message_id if isinstance(message_id, str) else message_id[0]


def plain(message: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)\w|%s", text))


def test_the_sources_do_mark_texts(wanted: set[Key]) -> None:
    texts = {text for _, text in wanted}
    assert {"Unsubscribe", "Quiet hours", "Push", "Dead letters", "retries exhausted"} <= texts
    assert ("carillon", "Push") in wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, wanted: set[Key]) -> None:
    messages = {(message.context, ids(message.id)): message for message in catalogue(language) if message.id}
    assert not wanted - set(messages), "texts that are not in the catalogue"
    assert not set(messages) - wanted, "texts that nothing says any more"
    assert not [key for key, message in messages.items() if message.fuzzy]
    assert not [key for key, message in messages.items() if not all(plain(message.string))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_the_same(language: str) -> None:
    for message in catalogue(language):
        wanted_ones = placeholders(ids(message.id))
        for form, text in enumerate(plain(message.string)):
            in_words = language == "ar" and not isinstance(message.id, str) and form in IN_WORDS
            if message.id:
                assert placeholders(text) <= wanted_ones if in_words else placeholders(text) == wanted_ones, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_all_their_forms(language: str) -> None:
    found = catalogue(language)
    forms = {"de": 2, "ar": 6}[language]
    assert f"nplurals={forms};" in dict(found.mime_headers)["Plural-Forms"]
    for message in found:
        if not isinstance(message.id, str):
            assert len(message.string) == forms, message.id
            assert all(message.string), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_of_this_text(language: str) -> None:
    with (APP / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = {(text_of(message.context), ids(message.id)): plain(message.string) for message in read_mo(file)}
    written = {(message.context, ids(message.id)): plain(message.string) for message in catalogue(language)}
    assert {key: text for key, text in compiled.items() if key[1]} == {
        key: text for key, text in written.items() if key[1]
    }


def test_german_readers_are_addressed_with_sie() -> None:
    texts = " ".join(str(message.string) for message in catalogue("de") if message.id)
    assert "Sie" in texts
    assert not re.search(r"\b([Dd]u|[Dd]ich|[Dd]ir|[Dd]ein\w*)\b", texts)
