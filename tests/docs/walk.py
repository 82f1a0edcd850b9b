"""Does what a page tells its reader to do, in an empty folder, and compares what is printed with what the page shows.

A comment before each block says what it is for:

    <!-- run -->           commands, in the one shell of the page
    <!-- run until -->     the same, again and again until they print what the next block shows: something else works
    <!-- terminal: web --> a command that goes on, in a terminal of its own
    <!-- prints -->        what the block before prints, on both outputs; `...` stands for anything within a line, and
                           on a line of its own for any lines
    <!-- file: a/b.py -->  a file's text
    <!-- add: a/b.py -->   what comes at a file's end
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from .pages import Block

PATIENCE_SECONDS = 120.0
# Whatever is set by one block is there in the next, as in the reader's shell.
_SHELL = 'set -a; [ -f "$STATE" ] && . "$STATE" && cd "$STOOD"\nset -e\n{commands}\nSTOOD=$PWD; export -p > "$STATE"\n'


@dataclass
class Walk:
    """One reader at work."""

    home: Path
    environment: Mapping[str, str]
    terminals: dict[str, tuple[subprocess.Popen[bytes], Path]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        """Close every terminal, and with it whatever runs in it."""
        for process, _ in self.terminals.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process, _ in self.terminals.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)

    def along(self, blocks: Sequence[Block]) -> None:
        """Do every block in turn.

        Raises:
            AssertionError: something else was printed than the page shows, or a command failed.
        """
        followers = [*blocks[1:], None]
        for block, after in zip(blocks, followers, strict=True):
            expected = after.text if after is not None and after.mark == "prints" else None
            what, _, name = block.mark.partition(": ")
            if what in ("file", "add"):
                path = self._stands() / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a" if what == "add" else "w", encoding="utf-8") as file:
                    file.write(block.text)
            elif what == "terminal":
                self._open(name, block)
                if expected is not None:
                    self._wait(block, expected, self.terminals[name][1])
            elif what in ("run", "run until"):
                self._run(block, expected, PATIENCE_SECONDS if what == "run until" else 0.0)
            else:
                assert what == "prints", f"{block}: nothing says what this block is for"

    def _run(self, block: Block, expected: str | None, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            with (self.home / "said").open("w+b") as said:
                status = self._start(block, said).wait(600)
            printed = (self.home / "said").read_text(encoding="utf-8")
            if status == 0 and (expected is None or matches(expected, printed)):
                return
            if time.monotonic() > deadline:
                told = f"{block}: exit status {status}\n{block.text}\nprinted\n{printed}"
                raise AssertionError(f"{told}\ninstead of\n{expected}{self._rest()}")
            time.sleep(0.3)

    def _open(self, name: str, block: Block) -> None:
        path = self.home / f"{name}.terminal"
        with path.open("wb") as said:
            self.terminals[name] = (self._start(block, said), path)

    def _wait(self, block: Block, expected: str, path: Path) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not matches(expected, path.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline, f"{block}: printed\n{path.read_text()}\ninstead of\n{expected}"
            time.sleep(0.1)

    def _start(self, block: Block, said: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {**self.environment, "STATE": str(self.home / "state"), "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            ["bash", "-c", _SHELL.replace("{commands}", block.text)],
            cwd=self.home, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip

    def _stands(self) -> Path:
        """Return the folder that the reader's shell is in."""
        state = self.home / "state"
        found = re.search(r'^declare -x STOOD="(.*)"$', state.read_text(), re.MULTILINE) if state.exists() else None
        return Path(found[1]) if found else self.home

    def _rest(self) -> str:
        """Return what the other terminals say, for whoever has to find out why."""
        return "".join(f"\n--- {name}\n{path.read_text()[-1500:]}" for name, (_, path) in self.terminals.items())


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what a page shows."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r"\n"
        for line in expected.strip().splitlines()
    )
    told = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch(pattern, told) is not None
