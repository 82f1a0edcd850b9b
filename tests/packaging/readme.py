"""Reads the lines that README.md tells a host project to add, and takes them apart into units that can be left out."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- host: (?P<name>\S+) -->\n```\w+\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)

#: What README.md marks as pasted, by its marker.
BLOCKS = {found["name"]: found["code"] for found in _BLOCK.finditer(README)}


@dataclass(frozen=True)
class Unit:
    """A statement or a dict's entry: what somebody may forget."""

    block: str
    first: int
    last: int
    text: str

    def __str__(self) -> str:
        return f"{self.block}:{self.first}: {self.text.splitlines()[0].strip()}"

    @property
    def pasted(self) -> list[str]:
        """Its lines as somebody would look for them: without indentation and the comma at the end."""
        lines = [line.strip().rstrip(",") for line in self.text.splitlines()]
        return [line for line in lines if line not in ("{", "}", "")]


def units(block: str) -> list[Unit]:
    """Return everything in a block that can be left out so that the rest is still Python."""
    code = BLOCKS[block]
    lines = code.splitlines(keepends=True)
    spans: list[tuple[int, int]] = []
    for statement in ast.parse(code).body:
        spans.append((statement.lineno, statement.end_lineno or statement.lineno))
        for node in ast.walk(statement):
            if isinstance(node, ast.Dict):
                spans += [
                    (key.lineno, value.end_lineno or value.lineno)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if key is not None and lines[key.lineno - 1].lstrip().startswith('"')
                ]
    whole = [(first, last) for first, last in sorted(set(spans)) if _is_whole(lines, first, last)]
    return [Unit(block, first, last, "".join(lines[first - 1 : last])) for first, last in whole]


def without(unit: Unit) -> str:
    """Return the unit's block without it."""
    lines = BLOCKS[unit.block].splitlines(keepends=True)
    return "".join(lines[: unit.first - 1] + lines[unit.last :])


def _is_whole(lines: list[str], first: int, last: int) -> bool:
    try:
        ast.parse("".join(lines[: first - 1] + lines[last:]))
    except SyntaxError:
        return False
    return True
