"""The provider that how-to/add-a-provider.md writes, as it stands there, under the contract of all adapters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, blocks

BLOCKS = {
    block.mark.removeprefix("provider: "): block.text
    for block in blocks(DOCS / "how-to" / "add-a-provider.md")
    if block.mark.startswith("provider: ")
}
MODULE = "notifications.providers.bellgate"


def test_it_is_two_short_files() -> None:
    lines = {name: len(text.splitlines()) for name, text in BLOCKS.items()}

    assert lines.keys() == {"bellgate.py", "test_bellgate.py"}
    assert sum(lines.values()) <= 120


@pytest.mark.long
def test_it_keeps_the_contract(tmp_path: Path) -> None:
    package = tmp_path / "tower"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bellgate.py").write_text(BLOCKS["bellgate.py"])
    test = tmp_path / "test_bellgate.py"
    test.write_text(BLOCKS["test_bellgate.py"].replace(MODULE, "tower.bellgate"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "--rootdir", str(ROOT)]
    ran = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), str(test)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout
