"""Sphinx: the documentation as a site. `make docs` builds it, with every warning an error."""

from __future__ import annotations

from pathlib import Path

project = "Carillon"
copyright = "the authors of Carillon"  # noqa: A001 - Sphinx's own name
version = release = (
    (Path(__file__).parent.parent / "notifications" / "__init__.py").read_text().split('__version__ = "')[1].split('"')[0]
)
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
myst_fence_as_directive: list[str] = []
exclude_patterns = ["_build"]
# Diagrams are drawn where the pages are read on GitHub; here they are shown as their source, without scripts from a CDN.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_title = "Carillon"
html_theme_options = {
    "source_repository": "",
    "light_css_variables": {"color-brand-primary": "#7a3e9d", "color-brand-content": "#7a3e9d"},
    "dark_css_variables": {"color-brand-primary": "#c79bf2", "color-brand-content": "#c79bf2"},
}
html_show_sourcelink = False
html_copy_source = False
