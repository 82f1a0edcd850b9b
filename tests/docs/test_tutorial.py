"""The tutorial, done from its first line to its last in an empty folder, with services of its own."""

from __future__ import annotations

import os
import socket
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from project import embedded

from .pages import DOCS, ROOT, Block, blocks
from .walk import Walk, matches

PAGE = DOCS / "tutorial.md"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[embedded.Services]:
    found = embedded.start(tmp_path / "services", reset=False)
    yield found
    embedded.remove(found)


@pytest.mark.long
def test_the_tutorial_does_what_it_says(tmp_path: Path, services: embedded.Services) -> None:
    database = urlsplit(services.database_url)
    environment = {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PGHOST": unquote(database.hostname or ""),
        "PGUSER": database.username or "",
        "REDIS_URL": services.redis_url,
        # What the checkout's own environment has is there already: nothing is fetched from anywhere.
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    with Walk(tmp_path / "reader", environment) as walk:
        walk.along(told(str(ROOT), sandbox=free_ports(3), web=free_ports(1)))


def test_every_block_says_what_it_is_for() -> None:
    assert [str(block) for block in blocks(PAGE) if not block.mark] == []


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("sent ...", "sent 01a2", True),
        ("sent ...", "sent 1\nmore", False),
        ("a\n...\nz", "a\nb\nc\nz\n", True),
        ("a\n...\nz", "a\nb", False),
        ("...\nz", "z", True),
        ("1.5", "1x5", False),
    ],
)
def test_three_dots_stand_for_anything(expected: str, printed: str, *, fits: bool) -> None:
    assert matches(expected, printed) is fits


def told(checkout: str, *, sandbox: int, web: int) -> list[Block]:
    """Return the page's blocks for this machine: its checkout, and ports that are free."""
    here = {"/path/to/carillon": checkout, "127.0.0.1:8000": f"127.0.0.1:{web}", "runserver": f"runserver {web}"}
    here |= {f"940{number}": str(sandbox + number) for number in range(3)}
    here["carillon sandbox"] = f"carillon sandbox --port {sandbox}"
    made = []
    for block in blocks(PAGE):
        text = block.text
        for shown, meant in here.items():
            text = text.replace(shown, meant)
        made.append(replace(block, text=text))
    return made


def free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for number in range(1, count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            except OSError:
                continue
            return port
