"""What the pages show exists: their Python, the names that it imports, commands with their options, settings."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from notifications.conf import KEYS, RECIPIENT_KEYS, RETENTION_KEYS, ROUTE_KEYS
from notifications.conf_api import ApiOptions
from notifications.management.commands.carillon import SUBCOMMANDS, Command
from notifications.safeguards import AbuseLimits, AlertLimits, BroadcastLimits

from .pages import DOCS, PAGES, ROOT, Block, blocks, command_lines, imported

PYTHON = [block for page in PAGES for block in blocks(page) if block.kind == "python"]
#: Made by a page, for the reader to make too; tests/docs/test_provider_page.py runs it.
EXAMPLES = {"notifications.providers.bellgate"}
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_block_of_python_compiles_and_imports_what_exists(block: Block) -> None:
    for module, name in imported(block.tree()):
        if module in EXAMPLES:
            continue
        found = import_module(module)
        is_there = not name or hasattr(found, name) or find_spec(f"{module}.{name}") is not None
        assert is_there, f"{block}: {module} has no {name}"


def test_every_backend_that_is_named_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"\"(notifications\.[\w.]+\.\w+)\"", page.read_text())}

    assert named
    for path in named:
        module, _, name = path.rpartition(".")
        assert module in EXAMPLES or hasattr(import_module(module), name), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_subcommand_and_option_that_is_named_exists(page: Path) -> None:
    known = options_by_subcommand()
    for subcommand, options in command_lines(page):
        assert subcommand in known, f"{page}: there is no `carillon {subcommand}`"
        assert set(options) <= known[subcommand], f"{page}: carillon {subcommand} {' '.join(options)}"


def test_every_option_of_every_subcommand_is_in_the_reference() -> None:
    told = (DOCS / "commands.md").read_text(encoding="utf-8")
    for subcommand in set(SUBCOMMANDS) - {"sandbox"}:  # whose README has them
        part = told.partition(f"`{subcommand} ")[2].partition("\n## ")[0]
        missing = {option for option in options_by_subcommand()[subcommand] - COMMON if option not in part}
        assert not missing, f"docs/commands.md says nothing of carillon {subcommand} {missing}"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    table = SETTINGS.partition("## `NOTIFICATIONS`")[2].partition("\n\nRotate")[0]

    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == sorted(KEYS)


@pytest.mark.parametrize(
    "names",
    [
        RECIPIENT_KEYS,
        RETENTION_KEYS,
        ROUTE_KEYS,
        *(
            [field.name for field in fields(kind) if field.name != "declared"]
            for kind in (ApiOptions, AbuseLimits, AlertLimits, BroadcastLimits)
        ),
    ],
    ids=["RECIPIENT", "RETENTION", "ROUTES", "API", "ABUSE", "ALERTS", "BROADCASTS"],
)
def test_what_a_setting_may_hold_is_told(names: list[str]) -> None:
    assert [name for name in names if f"`{name}`" not in SETTINGS and f'"{name}"' not in SETTINGS] == []


def test_every_option_of_every_adapter_is_told() -> None:
    for path in re.findall(r"^\| `(notifications\.providers\.[\w.]+)` \|", SETTINGS, re.MULTILINE):
        module, _, name = path.rpartition(".")
        declared = getattr(import_module(module), name).options_declared()
        assert [option.name for option in declared if f"`{option.name}`" not in SETTINGS] == [], path


COMMON = {
    "--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    "--skip-checks",
}  # fmt: skip


def options_by_subcommand() -> dict[str, set[str]]:
    """Return the options of each subcommand, with those of what is below it."""
    made = {}
    for name, subcommand in SUBCOMMANDS.items():
        parser = argparse.ArgumentParser()
        subcommand.add_arguments(parser)  # type: ignore[arg-type]  # Django's adds nothing that matters here
        made[name] = {*strings(parser), *COMMON}
    source = (ROOT / "notifications" / "sandbox" / "__main__.py").read_text(encoding="utf-8")
    made["sandbox"] |= set(re.findall(r'add_argument\("(--[a-z-]+)"', source))
    assert set(made) == set(re.findall(r"[a-z-]+", Command.help.partition(": ")[2]))
    return made


def strings(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a parser and of the parsers below it."""
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from strings(below)
