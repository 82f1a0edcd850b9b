"""The pages of docs/ and README.md, taken apart into what tests can try: blocks, imports, command lines."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
#: A fenced block, with the HTML comment in front of it that says what it is, if there is one.
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+?) -->\n)?^```(?P<kind>[\w{}]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_COMMAND = re.compile(r"(?:manage\.py |`|\$\()carillon (?P<words>[a-z](?:[^`\n#|;)]|\\\n)*)")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what the comment before it says, its language and its text."""

    page: Path
    line: int
    mark: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def tree(self) -> ast.Module:
        """Return it as Python; entries of a dict, as one pastes them into settings, count too.

        Raises:
            SyntaxError: it is neither.
        """
        code = textwrap.dedent(self.text)
        try:
            return ast.parse(code)
        except SyntaxError:
            try:
                return ast.parse(f"{{\n{code}\n}}")
            except SyntaxError:
                pass
            raise


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start("kind")) + 1, found["mark"] or "", found["kind"], found["text"])
        for found in _BLOCK.finditer(text)
    ]


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield every module of ours that code imports, each with a name taken from it or ""."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "notifications":
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names if name.name.split(".")[0] == "notifications")


def command_lines(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every mention of a `carillon` subcommand on a page with the options that are named with it."""
    for found in _COMMAND.finditer(page.read_text(encoding="utf-8")):
        words = found["words"].replace("\\\n", " ").split()
        if words and re.fullmatch(r"[a-z]+(-[a-z]+)*", words[0]):
            yield words[0], re.findall(r"(?<![\w-])--[a-z][a-z-]*", found["words"])
