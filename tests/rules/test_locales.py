"""Which translation somebody gets."""

from __future__ import annotations

import pytest

from notifications.rules.locales import choose_locale, fallback_chain, usable_locale


@pytest.mark.parametrize(
    ("locale", "default", "chain"),
    [
        pytest.param("de-AT", "fr", ["de-AT", "de", "fr", "en"], id="region, language, default, English"),
        pytest.param("zh_Hant_TW", "en-us", ["zh-Hant-TW", "zh-Hant", "zh", "en-us", "en"], id="underscores"),
        pytest.param("", "pt-br", ["pt-br", "pt", "en"], id="nothing known of the recipient"),
        pytest.param("EN", "en", ["EN"], id="each once, whatever its case"),
    ],
)
def test_the_chain(locale: str, default: str, chain: list[str]) -> None:
    assert fallback_chain(locale, default) == chain


@pytest.mark.parametrize(
    ("wanted", "default", "available", "chosen"),
    [
        pytest.param("de-AT", "en", ["en", "de", "de-AT"], "de-AT", id="exact"),
        pytest.param("de-AT", "en", ["en", "de"], "de", id="the language without its region"),
        pytest.param("de_at", "en", ["de-AT"], "de-AT", id="spelled otherwise"),
        pytest.param("de", "fr", ["fr", "en"], "fr", id="the project's own before English"),
        pytest.param("de", "fr", ["it", "en"], "en", id="English before any other"),
        pytest.param("de", "fr", ["nl", "it"], "it", id="better another language than nothing; always the same one"),
        pytest.param("de", "fr", [], None, id="no words"),
    ],
)
def test_the_choice(wanted: str, default: str, available: list[str], chosen: str | None) -> None:
    assert choose_locale(wanted, default, available) == chosen


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        pytest.param("de", "de", id="language"),
        pytest.param("pt_BR", "pt_BR", id="region"),
        pytest.param("zh-Hant-TW", "zh-Hant-TW", id="script and region"),
        pytest.param("de-Latn-DE-1996", "de-Latn-DE-1996", id="variant"),
        pytest.param("English (United States)", "", id="a name for people"),
        pytest.param("de-" + "a" * 20, "", id="longer than the column"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="none"),
        pytest.param("de\x00", "", id="NUL"),
        pytest.param("de\n", "", id="line end"),
    ],
)
def test_free_text_is_no_locale(text: str | None, usable: str) -> None:
    assert usable_locale(text) == usable
