"""The generated pages say what the code does today."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from notifications.enums import Reason, State
from notifications.exceptions import ProviderError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / ".ci" / "generate_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_docs"] = module  # its dataclasses look themselves up
    before = sys.path[:]
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["generate_docs"]


def test_the_committed_pages_are_current(generator: ModuleType) -> None:
    for path, text in generator.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `python .ci/generate_docs.py`"


def test_a_stale_page_fails_the_check_and_is_named(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "states.md"
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "pages", lambda: {page: "new\n"})
    assert generator.main(["--check"]) == 1
    assert "docs/states.md is stale" in capsys.readouterr().out
    assert generator.main([]) == 0
    assert page.read_text() == "new\n"
    assert generator.main(["--check"]) == 0


def test_every_state_and_reason_is_on_the_page(generator: ModuleType) -> None:
    page = generator.states_page()
    assert all(f"| `{state}` |" in page for state in State)
    # What the state says by itself has no row: "not sent in time".
    assert {reason for reason in Reason if reason and f"| `{reason}` |" not in page} == {Reason.TTL}


def test_every_row_of_every_adapter_is_on_the_page(generator: ModuleType) -> None:
    page = generator.providers_page()
    tables = [table for module in generator.provider_modules() for table in generator.tables_of(module)]
    assert {table.title for table in tables} >= {"Answers", "Answers: postmark", "Callback answers"}
    for table in tables:
        for code, row in table.rows.items():
            line = next(line for line in page.splitlines() if line.startswith(f"| `{code}` | {row.says}"))
            assert f"`{row.outcome.__name__}`" in line
            assert row.page in line
            assert issubclass(row.outcome, ProviderError)
            assert row.page.startswith("https://")
