"""How the demo speaks: progress lines with the time, aligned lists, and one table. Plain where nobody looks."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from .finding import Row

_WIDEST, _NARROWEST = 150, 72
_NAME_WIDTH = 22


@dataclass(frozen=True)
class Look:
    """What a stream can show."""

    colour: bool
    marks: bool
    width: int

    @classmethod
    def of(cls, stream: TextIO) -> Look:
        """Return what fits this stream: colour only on a terminal that wants it, ✓ and ✗ where it can encode them."""
        terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")
        try:
            "✓✗…".encode(stream.encoding or "ascii")
            marks = True
        except UnicodeEncodeError:
            marks = False
        width = shutil.get_terminal_size((120, 24)).columns
        return cls(terminal, marks, max(_NARROWEST, min(_WIDEST, width)))


class Terminal:
    """Writes whole lines, from any thread."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        """Write to `stream`; the clock of the progress lines starts now."""
        self.look = Look.of(stream)
        self._stream = stream
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began

    def line(self, text: str = "") -> None:
        """Write a line."""
        safe = text.encode(self._stream.encoding or "utf-8", "replace").decode(self._stream.encoding or "utf-8")
        with self._lock:
            self._stream.write(safe + "\n")
            self._stream.flush()

    def heading(self, text: str) -> None:
        """Write a heading."""
        self.line(f"\n\033[1m{text}\033[0m" if self.look.colour else f"\n{text}")

    def item(self, name: str, text: str) -> None:
        """Write a name and what there is to say about it, aligned."""
        self.line(f"  {name:<{_NAME_WIDTH}} {text}")

    def progress(self, name: str, text: str) -> None:
        """Write how far something has come, with the time since the start."""
        self.line(f"  {self.seconds:5.1f} s  {name:<{_NAME_WIDTH}} {text}")


def table(rows: Sequence[Row], look: Look) -> list[str]:
    """Return the lines of the table of what was expected and what was seen."""
    name_width = max([len("outcome"), *(len(row.name) for row in rows)])
    mark_width = len("✗ NOT SEEN" if look.marks else "NOT SEEN")
    rest = look.width - mark_width - name_width - 6
    widths = (mark_width, name_width, rest * 2 // 5, rest - rest * 2 // 5)
    lines = _cells(("", "outcome", "expected", "seen"), widths)
    lines.append("  ".join("-" * width for width in widths))
    for row in rows:
        cells = _cells((_verdict(row, look), row.name, row.expected, row.seen), widths)
        if look.colour:
            painted = f"\033[{32 if row.ok else 31}m{cells[0][:mark_width]}\033[0m"
            cells[0] = painted + cells[0][mark_width:]
        lines += cells
    return lines


def _verdict(row: Row, look: Look) -> str:
    word, mark = ("seen", "✓ ") if row.ok else ("NOT SEEN", "✗ ")
    return (mark if look.marks else "") + word


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return one row of the table, wrapped into as many lines as its longest cell needs."""
    wrapped = [textwrap.wrap(text, width) or [""] for text, width in zip(texts, widths, strict=True)]
    height = max(len(cell) for cell in wrapped)
    padded = [[*cell, *[""] * (height - len(cell))] for cell in wrapped]
    return [
        "  ".join(f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip(*padded, strict=True)
    ]
