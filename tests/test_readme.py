"""README.md and the docs say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from notifications.conf import KEYS
from notifications.management.commands.carillon import SUBCOMMANDS

ROOT = Path(__file__).resolve().parent.parent


def test_the_functions_in_readme_are_those_in_the_source() -> None:
    spec = importlib.util.spec_from_file_location("readme_source", ROOT / ".ci" / "readme_source.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert text.count("<!-- source: ") == 3
    assert tool.refreshed(text) == text, "run `python .ci/readme_source.py`"


def test_every_link_of_readme_leads_to_a_file() -> None:
    for page in ("README.md", "docs/settings.md", "docs/commands.md"):
        links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8"))
        missing = {link for link in links if not ((ROOT / page).parent / link).exists()}
        assert not missing


def test_the_docs_name_every_setting_check_and_subcommand() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notifications" / "checks").glob("*.py"))
    numbers = {int(found) for found in re.findall(r"\b(?:error|warning)\((\d+),", source)}

    assert [key for key in KEYS if f"`{key}`" not in settings] == []
    assert {int(found) for found in re.findall(r"`carillon\.[EW](\d+)` \|", settings)} >= numbers
    assert [name for name in SUBCOMMANDS if f"`{name} " not in commands] == []
