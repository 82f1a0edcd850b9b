"""The pictures of the README and the docs, made anew from a bad hour.

`PICTURES=docs/images python -m pytest tests/browser/test_pictures.py` writes them where they are shown; without it they
are made under build/screenshots/docs/ and only looked at for their size.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from project.demo.stack import Stack

from .deployment import KEPT, logged_in
from .test_every_screen import screens

pytestmark = [pytest.mark.browser, pytest.mark.long]

ROOT = Path(__file__).parents[2]
WHERE = Path(os.environ.get("PICTURES") or KEPT / "docs")
MOST_BYTES = 300_000
#: By file: the screen, its width and the most of its height, the theme and the language.
SHOWN = {
    "overview": ("overview-hour", 1440, 1400, "light", "en-GB"),
    "person": ("person", 1440, 1200, "light", "en-GB"),
    "dead-letters": ("dead-letters", 1440, 1000, "light", "en-GB"),
    "broadcast": ("broadcast", 1440, 1000, "dark", "en-GB"),
}


def test_pictures_are_of_the_console_as_it_is_and_small(outage: Stack, chromium: Browser) -> None:
    WHERE.mkdir(parents=True, exist_ok=True)
    urls = screens(outage)
    for name, (screen, width, most, theme, locale) in SHOWN.items():
        page = logged_in(chromium, outage, "grace", locale=locale, color_scheme=theme)
        page.set_viewport_size({"width": width, "height": most})
        page.evaluate("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
        page.goto(urls[screen])
        height = min(most, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=WHERE / f"{name}.png")
        page.context.close()
        assert (WHERE / f"{name}.png").stat().st_size < MOST_BYTES, name


def test_every_picture_that_is_shown_is_made_here() -> None:
    assert {path.stem for path in (ROOT / "docs" / "images").glob("*.png")} == set(SHOWN)
    told = "".join(path.read_text() for path in (ROOT / "README.md", ROOT / "docs" / "console.md"))
    assert all(f"images/{name}.png)" in told for name in SHOWN)
