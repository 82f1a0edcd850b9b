"""Every size limit can fail, and says where and why."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

CHECKER = Path(__file__).resolve().parents[2] / ".ci" / "size_limits.py"


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("size_limits", CHECKER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1\n" * 301, ":1: 301 lines in a file, at most 300"),
        ("def long():\n" + "    x = 1\n" * 50, ":1: 51 lines in long(), at most 50"),
        ("def wide(a, b, c, d, e, f, g): ...\n", ":1: 7 arguments of wide(), at most 6"),
        ("def wide(a, /, b, *, c, d, e, f, g): ...\n", ":1: 7 arguments of wide(), at most 6"),
        ("async def late():\n    import os\n", ":2: an import inside late(): it belongs at the top of the file"),
        ("def late():\n    if 1:\n        from os import path\n", ":3: an import inside late(): it belongs"),
        ("class A:\n    def late(self):\n        import os\n", ":3: an import inside late(): it belongs"),
    ],
)
def test_a_breach_is_found(
    checker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, complaint: str
) -> None:
    (tmp_path / "code.py").write_text(source)
    assert checker.main([str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert complaint in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * 300,
        "def long():\n" + "    x = 1\n" * 49,
        "class A:\n    def wide(self, a, b, c, d, e, f): ...\n",
        "def notify(a, b, c, d, e, f, g, h): ...\n",
        "import os\n",
        "from typing import TYPE_CHECKING\ndef f():\n    if TYPE_CHECKING:\n        import os\n",
    ],
)
def test_what_just_fits_passes(checker: ModuleType, tmp_path: Path, source: str) -> None:
    (tmp_path / "code.py").write_text(source)
    assert checker.main([str(tmp_path)]) == 0


def test_migrations_are_left_alone(checker: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_initial.py").write_text("x = 1\n" * 500)
    assert checker.main([str(tmp_path)]) == 0


def test_a_folder_that_is_not_there_is_an_error(checker: ModuleType, tmp_path: Path) -> None:
    assert checker.main([str(tmp_path / "missing")]) == 2
