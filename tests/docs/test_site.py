"""The documentation as a site: it builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from .pages import DOCS, ROOT

pytestmark = pytest.mark.long


class Links(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := values.get(name))}
        self.targets += [value for name in ("href", "src") if (value := values.get(name))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    built = subprocess.run(
        [*command, str(DOCS), str(folder / "html")], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS).with_suffix(".html")).exists(), page


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {page: Links(page) for page in site.rglob("*.html")}
    broken = [f"{page.relative_to(site)}: {target}" for page, target in inside(pages) if not leads(page, target, pages)]

    assert len(pages) > 25
    assert broken == []


def inside(pages: dict[Path, Links]) -> Iterator[tuple[Path, str]]:
    """Yield each page with each of its links that stays on the site."""
    for page, links in pages.items():
        for target in links.targets:
            if "://" not in target and not target.startswith(("mailto:", "data:", "#/")):
                yield page, target


def leads(page: Path, target: str, pages: dict[Path, Links]) -> bool:
    """Whether there is what a link names, down to the anchor."""
    path, anchor = urldefrag(target)
    file = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
    if not file.exists():
        return False
    return not anchor or file not in pages or unquote(anchor) in pages[file].ids or anchor == "top"
