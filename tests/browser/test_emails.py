"""Real emails in a real browser: phone and desktop, light and dark, left to right and right to left.

The screenshots are kept under build/screenshots/.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from notifications.declarations import registry
from notifications.declarations.slugs import LAYOUT
from notifications.enums import Channel
from notifications.flows.compose import compile_words, render
from notifications.flows.declare import find_words
from notifications.flows.layout import with_layout
from notifications.flows.words import LINKS
from notifications.messages import Content

from .deployment import KEPT

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 740), "desktop": (1024, 768)}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2
DATA: dict[str, dict[str, object]] = {
    "order-shipped": {"number": "A-1042", "total": 1259.9, "items": ["Bell, bronze, 24 cm", "Rope <6 m>", LONG]},
    "invoice": {"order": {"number": "A-1042", "total": 1259.9}},
    "login-code": {"code": "493021"},
    "carillon-digest": {
        "count": 13,
        "more": 3,
        "items": [
            {"title": "Ada liked your post", "text": "Casting a bell", "url": "https://a.example/7", "count": 11},
            {"title": "Grace follows you", "text": "", "url": "", "count": 1},
        ],
    },
}
# The contrast of every text with what is behind it, as WCAG 2.2 counts it; large text may have less.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const c = parse(getComputedStyle(node).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    if (!walk.currentNode.textContent.trim()) continue;
    const node = walk.currentNode.parentElement, style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const need = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (ratio < need) found.push(node.textContent.trim().slice(0, 40) + ": " + ratio.toFixed(2));
  }
  return found;
}"""


def email(slug: str, locale: str) -> Content:
    """Return an email as it goes out."""
    files = find_words()
    layouts = {place[1]: parts["html"] for place, parts in files[LAYOUT].items()}
    parts = with_layout(slug, files[slug], layouts)[Channel.EMAIL, locale]
    data = {**LINKS, **DATA[slug]}
    if registry.templates[slug].category.mandatory:
        data["unsubscribe_url"] = ""
    return render(Channel.EMAIL, locale, compile_words(Channel.EMAIL, locale, parts), data, "Europe/Berlin")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("locale", ["en", "ar"])
@pytest.mark.parametrize("slug", DATA)
def test_an_email_can_be_read_everywhere(chromium: Browser, slug: str, locale: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    page: Page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(email(slug, locale).html)
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(KEPT / f"email-{slug}-{locale}-{size}-{scheme}.png"), full_page=True)
    root = page.locator("html")
    assert (root.get_attribute("lang"), root.get_attribute("dir")) == (locale, "rtl" if locale == "ar" else "ltr")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).direction") == root.get_attribute("dir")
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(238, 241, 244)"
    assert is_dark == (scheme == "dark")
    assert page.title() == page.title().strip() != ""
    assert asked == []
    context.close()
