"""Sphinx: the documentation as a site. `make docs` builds it, with every warning an error."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "Carillon"
copyright = "the authors of Carillon"  # noqa: A001 - Sphinx's own name
_ROOT = Path(__file__).resolve().parent.parent
_SOURCE = (_ROOT / "notifications" / "__init__.py").read_text(encoding="utf-8")
version = release = _SOURCE.partition('__version__ = "')[2].partition('"')[0]
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
myst_fence_as_directive: list[str] = []
exclude_patterns = ["_build"]
# Diagrams are drawn where the pages are read on GitHub; here they are their source, without scripts from a CDN.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "Carillon"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#7a3e9d", "color-brand-content": "#7a3e9d"},
    "dark_css_variables": {"color-brand-primary": "#c79bf2", "color-brand-content": "#c79bf2"},
}
html_show_sourcelink = False
html_copy_source = False

#: What lies outside this folder and has a page on the site all the same.
_PAGES = {"notifications/sandbox/README.md": "sandbox"}
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>\.\.?/[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def setup(app: Sphinx) -> None:
    """Mend links that lead out of docs/: right where the repository is read, without a page on the site."""
    app.connect("source-read", _stay_inside)


def _stay_inside(app: Sphinx, name: str, source: list[str]) -> None:
    folder = (Path(app.srcdir) / name).parent

    def mend(found: re.Match[str]) -> str:
        path = (folder / found["target"]).resolve()
        if path.is_relative_to(app.srcdir) or not path.exists():
            return found[0]
        inside = str(path.relative_to(_ROOT))
        if inside in _PAGES:
            return f"[{found['text']}](/{_PAGES[inside]}.md)"
        return f"{found['text']} (`{inside}`)"

    source[0] = _LINK.sub(mend, source[0])
