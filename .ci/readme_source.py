"""Keeps the functions that README.md shows the same as in the source.

python .ci/readme_source.py            rewrites the blocks below `<!-- source: file.py#function -->`
python .ci/readme_source.py --check    exits 1 if one of them is stale
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(
    r"(?P<head><!-- source: (?P<path>\S+)#(?P<name>\w+) -->\n```python\n).*?(?P<end>^```$)", re.DOTALL | re.MULTILINE
)


def function_source(path: Path, name: str) -> str:
    """Return a module-level function as it is written.

    Raises:
        LookupError: the file has no such function.
    """
    text = path.read_text(encoding="utf-8")
    for node in ast.parse(text, str(path)).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            found = ast.get_source_segment(text, node)
            if found:
                return found
    raise LookupError(f"{path} has no function {name}()")


def refreshed(text: str, root: Path = ROOT) -> str:
    """Return a page with every marked block as the source has it now."""

    def block(found: re.Match[str]) -> str:
        return f"{found['head']}{function_source(root / found['path'], found['name'])}\n{found['end']}"

    return _BLOCK.sub(block, text)


def main(arguments: list[str]) -> int:
    """Refresh README.md, or only say whether it is stale; return the exit code."""
    page = ROOT / "README.md"
    before = page.read_text(encoding="utf-8")
    after = refreshed(before)
    if before == after:
        return 0
    if "--check" in arguments:
        print("README.md shows functions as they no longer are: run `python .ci/readme_source.py`.")
        return 1
    page.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
