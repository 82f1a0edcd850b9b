"""The oldest of what we support, beside the newest that the suite runs on: Debian's PostgreSQL 15, and RQ 2."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from project.embedded_home import SUPERUSER, Home, make_private
from project.embedded_postgres import Postgres

from .fresh import NotToBeHad

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
RQ = "rq>=2.12,<3"


class Postgres15(Postgres):
    """As the embedded server, from other programs; it knows no builtin locales."""

    def _init(self) -> None:
        options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions")
        self._run("initdb", "-D", str(self.data), "-U", SUPERUSER, *options)

    def _refuse_other_version(self) -> None:
        pass

    @cached_property
    def _programs(self) -> Path:
        return PROGRAMS


@contextmanager
def postgresql_15(root: Path) -> Iterator[dict[str, str]]:
    """Run a server and yield how to reach it."""
    home = Home(root.resolve())
    make_private(home.root, home.account)
    server = Postgres15(home)
    server.start()
    try:
        yield {"user": SUPERUSER, "host": str(home.sockets)}
    finally:
        server.destroy()
        for folder in (home.postgres, home.sockets):
            shutil.rmtree(folder, ignore_errors=True)


def rq_2(folder: Path, python: str) -> Path:
    """Put the newest RQ 2 into a folder of its own, which goes before the environment's RQ; return the folder.

    Raises:
        NotToBeHad: the index has not got it, or cannot be reached.
    """
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
    done = subprocess.run([*install, str(folder), RQ], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise NotToBeHad(done.stderr[-600:])
    return folder
